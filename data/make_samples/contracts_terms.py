"""What was negotiated with each of the four customers."""

from __future__ import annotations

from .contracts import Terms

PELLCOMBE = Terms(
    stem="agreement-pellcombe-water",
    written="2023-02-20 14:10",
    number="PMA-2023-014",
    customer="Pellcombe Water Services Ltd",
    customer_address="Reservoir House, 2 Aqueduct Road, Pellcombe PC1 3RA",
    signed_customer="Harriet Dunmoor, Director of Operations",
    signed_supplier="Ingrid Halloran, Chief Executive",
    effective="1 March 2023",
    background=(
        "The Customer supplies drinking water to about 240,000 households and operates Merrow 40 and "
        "TX-125 pumps made by the Supplier at four pumping stations."
    ),
    scope=(
        "Maintenance comprises the planned work in Schedule 2, repairs after breakdowns, and remote "
        "monitoring through Linnet units."
    ),
    response=(
        "After a call by telephone the Supplier shall have a technician at the Equipment within 8 hours, "
        "on every day of the year."
    ),
    fee="The Customer shall pay an annual fee of £184,500, in four equal quarterly instalments in arrears.",
    adjustment=(
        "The fee is adjusted on each anniversary of the Effective Date from the second onward by the change in "
        "the consumer prices index, but by no more than 4% in a year."
    ),
    payment="Invoices are due for payment within 30 days of the date of the invoice.",
    interest=(
        "A sum not paid when due bears interest at 4% a year above the base rate of the Bank of England."
    ),
    parts="Wear parts listed in the Supplier's price book are charged at list price less 12%.",
    warranty=(
        "The Supplier warrants its repairs for 12 months and shall do defective work again at its own cost."
    ),
    damages=(
        "If the Supplier exceeds the response time of clause 2.2, it shall pay liquidated damages of "
        "£1,500 for each full day of delay, up to 5% of the annual fee in a Contract Year."
    ),
    cap=(
        "The Supplier's total liability in a Contract Year shall not exceed 100% of the fees paid or "
        "payable for that Contract Year."
    ),
    uncapped=(
        "Nothing in this Agreement limits liability for death or personal injury caused by negligence, "
        "for fraud, or for contamination of drinking water caused by gross negligence."
    ),
    insurance="The Supplier shall hold public liability insurance of at least £5,000,000 for each event.",
    term="This Agreement runs for an initial term of three years from the Effective Date.",
    renewal=(
        "After the initial term it renews automatically for further periods of one year each, unless a "
        "party gives notice of non-renewal at least three months before the current period ends."
    ),
    convenience=(
        "The Customer may terminate this Agreement at any time without giving reasons by 60 days' "
        "written notice."
    ),
    confidentiality=(
        "Each party shall keep the other's confidential information secret during the term and for five "
        "years after it ends."
    ),
    assignment="Neither party may assign this Agreement without the other's prior written consent.",
    law="This Agreement is governed by the law of England and Wales.",
    disputes=(
        "The courts of England have exclusive jurisdiction. Before going to court the parties shall try to settle "
        "the dispute by mediation for 45 days."
    ),
    equipment=(
        ("PW-01", "TX-125", "Aqueduct Road station", "2016"),
        ("PW-02", "TX-125", "Aqueduct Road station", "2016"),
        ("PW-03", "TX-125", "Harrow Hill booster station", "2019"),
        ("PW-04", "Merrow 40", "Lower Pellcombe sewage lift", "2021"),
        ("PW-05", "Merrow 40", "Lower Pellcombe sewage lift", "2021"),
        ("PW-06", "Merrow 40", "Saltings outfall", "2022"),
    ),
    schedule=(
        ("Vibration and temperature review by Linnet", "monthly"),
        ("Lubrication of bearings, TX-125", "every 4,000 running hours"),
        ("Inspection of mechanical seals", "every six months"),
        ("Oil change in seal chamber, Merrow 40", "yearly"),
    ),
)

OUDEMEER = Terms(
    stem="agreement-oudemeer-desalination",
    written="2023-06-05 10:25",
    number="PMA-2023-027",
    customer="Oudemeer Desalination B.V.",
    customer_address="Zeedijk 118, 3199 OM Oudemeer, the Netherlands",
    signed_customer="Maarten Wolvega, Managing Director",
    signed_supplier="Ingrid Halloran, Chief Executive",
    effective="15 June 2023",
    background=(
        "The Customer is building a reverse-osmosis plant with a capacity of 60,000 cubic metres of "
        "drinking water a day and has ordered fourteen TX-200 pumps for it from the Supplier."
    ),
    scope=(
        "Maintenance comprises the planned work in Schedule 2, repairs after breakdowns, remote "
        "monitoring through Linnet units, and a stock of critical spare parts at the Customer's plant."
    ),
    response=(
        "After a call by telephone the Supplier shall have a technician at the Equipment within 24 hours, "
        "on every day of the year."
    ),
    fee=(
        "From the first delivery of Equipment the Customer shall pay an annual fee of €412,000, in "
        "two equal instalments on 15 June and 15 December, in advance."
    ),
    adjustment=(
        "The fee is adjusted every second year by the change in the Dutch producer price index for machinery."
    ),
    payment="Invoices are due for payment within 45 days of receipt of the invoice.",
    interest="A sum not paid when due bears the statutory commercial interest of Dutch law.",
    parts="Spare parts from the stock at the plant are charged at list price less 18% when they are used.",
    warranty=(
        "The Supplier warrants its repairs for 24 months, or 12,000 running hours if they are reached "
        "earlier, and shall do defective work again at its own cost."
    ),
    damages=(
        "If the Supplier exceeds the response time of clause 2.2, it shall pay liquidated damages of "
        "€4,000 for each full day of delay, up to 10% of the annual fee in a Contract Year."
    ),
    cap="The Supplier's total liability under this Agreement shall not exceed €2,500,000.",
    uncapped=(
        "The limit does not apply in the case of intent or of deliberate recklessness of the Supplier's "
        "managers, nor to death or personal injury."
    ),
    insurance=(
        "The Supplier shall hold product and public liability insurance of at least €10,000,000 for each event."
    ),
    term="This Agreement runs for an initial term of five years from the Effective Date.",
    renewal=(
        "After the initial term it renews automatically for further periods of two years each, unless a "
        "party gives notice of non-renewal at least six months before the current period ends."
    ),
    convenience=None,
    confidentiality=(
        "Each party shall keep the other's confidential information secret during the term and for three "
        "years after it ends."
    ),
    assignment=(
        "Neither party may assign this Agreement without the other's prior written consent, except to the banks "
        "that finance the plant."
    ),
    law=(
        "This Agreement is governed by the law of the Netherlands; the United Nations Convention on "
        "Contracts for the International Sale of Goods does not apply."
    ),
    disputes=(
        "Disputes shall be settled by three arbitrators under the rules of the Netherlands Arbitration "
        "Institute. The seat is Rotterdam and the language is English."
    ),
    equipment=(
        ("OD-01 to OD-08", "TX-200", "High-pressure hall, train A", "not yet delivered"),
        ("OD-09 to OD-14", "TX-200", "High-pressure hall, train B", "not yet delivered"),
    ),
    schedule=(
        ("Vibration and temperature review by Linnet", "weekly"),
        ("Lubrication of bearings, TX-200", "every 3,000 running hours"),
        ("Inspection of mechanical seals", "every three months"),
        ("Alignment of coupling", "yearly"),
        ("Measurement of efficiency", "every two years"),
    ),
)

GREYFELL = Terms(
    stem="agreement-greyfell-chemicals",
    written="2023-09-22 16:45",
    number="PMA-2023-041",
    customer="Greyfell Chemicals Inc.",
    customer_address="900 Alkali Drive, Greyfell, New York, USA",
    signed_customer="Leonard P. Averill, Vice President Procurement",
    signed_supplier="Tobias Wennerstrand, Chief Financial Officer",
    effective="1 October 2023",
    background=(
        "The Customer makes caustic soda and chlorine and operates TX-125 pumps made by the Supplier in its "
        "brine circuit."
    ),
    scope=(
        "Maintenance comprises the planned work in Schedule 2 only. Repairs after breakdowns are ordered "
        "and paid for separately at the Supplier's hourly rate of USD 165."
    ),
    response=(
        "After a call by telephone the Supplier shall have a technician at the Equipment by the end of "
        "the second Working Day."
    ),
    fee="The Customer shall pay an annual fee of USD 96,000, in twelve equal monthly instalments.",
    adjustment="The fee is fixed for the term of this Agreement.",
    payment="Invoices are due for payment within 60 days of receipt of the invoice.",
    interest="A sum not paid when due bears interest at 1% per month.",
    parts="Wear parts are charged at the list price valid on the day of the order, without discount.",
    warranty=(
        "The Supplier warrants its repairs for 6 months and shall do defective work again at its own cost. "
        "Damage by corrosion from liquids that the Customer has not disclosed is excluded."
    ),
    damages=None,
    cap=(
        "The Supplier's total liability under this Agreement shall not exceed the greater of USD 500,000 and "
        "twice the annual fee."
    ),
    uncapped=(
        "The limit does not apply to gross negligence, wilful misconduct, or the Supplier's duty to "
        "indemnify the Customer against claims for bodily injury."
    ),
    insurance=(
        "The Supplier shall hold commercial general liability insurance of at least USD 5,000,000 for "
        "each event and name the Customer as an additional insured."
    ),
    term="This Agreement runs for a term of two years from the Effective Date.",
    renewal=(
        "It does not renew automatically. The parties may extend it by a written agreement signed by "
        "both before the term ends."
    ),
    convenience="Either party may terminate this Agreement without giving reasons by 30 days' written notice.",
    confidentiality=(
        "Each party shall keep the other's confidential information secret during the term and for two "
        "years after it ends; trade secrets, for as long as they remain so."
    ),
    assignment=(
        "The Customer may assign this Agreement to an affiliate by giving notice. The Supplier may assign "
        "it only with the Customer's consent."
    ),
    law="This Agreement is governed by the laws of the State of New York, without its conflict-of-laws rules.",
    disputes=(
        "The state and federal courts in New York County have exclusive jurisdiction. The parties waive trial "
        "by jury."
    ),
    equipment=(
        ("GC-101", "TX-125", "Brine circuit, building 4", "2018"),
        ("GC-102", "TX-125", "Brine circuit, building 4", "2018"),
        ("GC-103", "TX-125", "Brine circuit, building 7 (standby)", "2020"),
    ),
    schedule=(
        ("Lubrication of bearings, TX-125", "every 4,000 running hours"),
        ("Inspection of mechanical seals", "every four months"),
        ("Thickness measurement of casing", "yearly"),
    ),
)

LORONG = Terms(
    stem="agreement-lorong-biru-refining",
    written="2024-01-04 09:15",
    number="PMA-2024-002",
    customer="Lorong Biru Refining Pte. Ltd.",
    customer_address="41 Jetty Crescent, Lorong Biru Island, Singapore",
    signed_customer="Tan Siew Keng, General Manager",
    signed_supplier="Tobias Wennerstrand, Chief Financial Officer",
    effective="8 January 2024",
    background=(
        "The Customer refines vegetable and mineral oils and operates 26 pumps made by the Supplier in "
        "its tank farm and its cooling-water plant."
    ),
    scope=(
        "Maintenance comprises the planned work in Schedule 2, repairs after breakdowns, and remote "
        "monitoring through Linnet units. One technician is stationed at the Customer's site."
    ),
    response=(
        "After a call by telephone the Supplier shall begin repairs within 4 hours on Working Days and within "
        "12 hours on other days."
    ),
    fee=(
        "The Customer shall pay an annual fee of SGD 268,000, in four equal quarterly instalments in advance."
    ),
    adjustment="The fee rises by 2.5% on each anniversary of the Effective Date.",
    payment="Invoices are due for payment within 30 days of receipt of the invoice.",
    interest="A sum not paid when due bears interest at 5.33% a year.",
    parts="Wear parts listed in the Supplier's price book are charged at list price less 15%.",
    warranty=(
        "The Supplier warrants its repairs for 18 months and shall do defective work again at its own cost."
    ),
    damages=(
        "If the Supplier exceeds the response time of clause 2.2, it shall pay liquidated damages of "
        "SGD 2,000 for each full day of delay, up to 8% of the annual fee in a Contract Year."
    ),
    cap=("The Supplier's total liability in a Contract Year shall not exceed 150% of the annual fee."),
    uncapped="Nothing in this Agreement limits liability for death or personal injury, or for fraud.",
    insurance=(
        "The Supplier shall hold public liability insurance of at least SGD 10,000,000 and work injury "
        "insurance as required by law."
    ),
    term="This Agreement runs for an initial term of four years from the Effective Date.",
    renewal=(
        "After the initial term it renews automatically for further periods of one year each, unless a "
        "party gives notice of non-renewal at least 90 days before the current period ends."
    ),
    convenience=(
        "The Customer may terminate this Agreement without giving reasons by 120 days' written notice, "
        "but not before the second anniversary of the Effective Date."
    ),
    confidentiality=(
        "Each party shall keep the other's confidential information secret during the term and for five "
        "years after it ends."
    ),
    assignment="Neither party may assign this Agreement without the other's prior written consent.",
    law="This Agreement is governed by the law of Singapore.",
    disputes=(
        "Disputes shall be settled by one arbitrator under the rules of the Singapore International "
        "Arbitration Centre. The seat is Singapore and the language is English."
    ),
    equipment=(
        ("LB-01 to LB-12", "TX-125", "Tank farm, rows 1 to 3", "2017"),
        ("LB-13 to LB-18", "TX-125", "Tank farm, row 4", "2020"),
        ("LB-19 to LB-26", "TX-200", "Cooling-water plant", "2021"),
    ),
    schedule=(
        ("Vibration and temperature review by Linnet", "monthly"),
        ("Lubrication of bearings, TX-125", "every 4,000 running hours"),
        ("Lubrication of bearings, TX-200", "every 3,000 running hours"),
        ("Inspection of mechanical seals", "every three months"),
    ),
)
