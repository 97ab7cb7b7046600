"""What the quarterly reports say besides their tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarterText:
    """The words of one quarterly report."""

    written: str
    headline: str
    dateline: str
    points: tuple[str, ...]
    statement: tuple[str, ...]
    review: tuple[tuple[str, tuple[str, ...]], ...]
    outlook: tuple[str, ...]
    other_note: str
    notes: tuple[tuple[str, str], ...]
    calendar: tuple[tuple[str, str], ...]


_BASIS = (
    "1. Basis of preparation",
    "These condensed interim financial statements have been prepared in accordance with IAS 34. "
    "They do not contain all the information required for annual financial statements and should "
    "be read together with the annual report 2023. The accounting policies are unchanged. Amounts "
    "are in thousands of euro; the euro is the presentation currency because about two thirds of "
    "the Group's contracts are invoiced in it. The figures have been neither audited nor reviewed.",
)

_Q1 = QuarterText(
    written="2024-04-25 06:30",
    headline="strong order intake, deliveries to one large project postponed",
    dateline="Tarrowby, 25 April 2024. Figures for January to March 2024, unaudited.",
    points=(
        "Order intake €101.9 million, 7.0% above the first quarter of 2023",
        "Revenue €93.5 million, up 4.3%; EBIT €9.9 million, a margin of 10.5%",
        "Water & Wastewater held back by the Oudemeer desalination project, where the customer's "
        "intake tunnel is late",
        "Guidance for 2024 unchanged: revenue of €395–405 million, EBIT margin of 10.5–11.5%",
    ),
    statement=(
        "The year has begun well. Customers in the chemical and food industries placed orders "
        "that they had deferred in the autumn, and for the first time the Group took in more than "
        "€100 million of orders in an opening quarter. The order book now covers almost "
        "five months of production.",
        "Not everything went to plan. We had prepared fourteen TX-200 pumps for Oudemeer "
        "Desalination, ready to ship in February. The customer asked us to hold them because its "
        "seawater intake tunnel will be finished two quarters later than agreed. The order, worth "
        "€9.8 million, has not been cancelled, and we expect to deliver in the third quarter. "
        "Until then the pumps stand in our inventories.",
        "I should like to thank Tobias Wennerstrand, our Chief Financial Officer, who has told "
        "the Board that he will retire on 30 June 2024 after eleven years in office. Amara "
        "Lindqvist-Boateng, at present Group Controller, will succeed him on 1 July 2024.",
        "Ingrid Halloran, Chief Executive",
    ),
    review=(
        (
            "Process Pumps",
            (
                "Revenue rose by 6.3% to €43.9 million. The TX-125 remained the best-selling "
                "model with 418 units (Q1 2023: 389). Prices contributed about 2.5 percentage "
                "points of the growth. The segment result improved to €5.7 million because the "
                "foundry at Ellerhude ran two shifts throughout the quarter.",
            ),
        ),
        (
            "Water & Wastewater",
            (
                "Revenue fell by 1.7% to €28.0 million and the segment result by 18.7% to "
                "€2.0 million, both owing to the postponement at Oudemeer. Without it, revenue "
                "would have grown. The Merrow 40 submersible pump was approved by two further "
                "water authorities in northern Germany.",
            ),
        ),
        (
            "Aftermarket Services",
            (
                "Revenue grew by 8.9% to €21.6 million. At the end of March 1,312 pumps were "
                "connected to Linnet condition monitoring units, 146 more than at year end. The "
                "maintenance agreement with Lorong Biru Refining, signed in January, started to "
                "contribute.",
            ),
        ),
    ),
    outlook=(
        "The Board confirms its guidance for 2024: revenue between €395 million and €405 million "
        "and an EBIT margin between 10.5% and 11.5%. Capital expenditure will rise to about "
        "€26 million, mainly for the new test bed at Millrace Works, which is planned to enter "
        "service in the fourth quarter of 2024.",
    ),
    other_note="2) Mainly rental income and gains on the sale of machine tools.",
    notes=(
        _BASIS,
        (
            "2. Inventories",
            "Inventories rose by €2,770 thousand to €77,120 thousand. They include fourteen "
            "TX-200 pumps for the Oudemeer project at a cost of €6,340 thousand. Because the "
            "customer has confirmed the order in writing, no write-down was made.",
        ),
        (
            "3. Borrowings",
            "The Group repaid €2,000 thousand of its term loan on 28 March 2024. The covenant, "
            "net debt below 2.5 times EBITDA of the last four quarters, was met with a ratio of 0.76.",
        ),
        (
            "4. Events after the reporting period",
            "On 9 April 2024 the Group agreed to lease a service workshop of 2,400 square metres "
            "in Rotterdam from 1 September 2024. No other events are to be reported.",
        ),
    ),
    calendar=(
        ("15 May 2024", "Annual general meeting, Millrace Works, Tarrowby"),
        ("22 May 2024", "Payment of the dividend for 2023"),
        ("25 July 2024", "Quarterly report Q2 2024"),
        ("24 October 2024", "Quarterly report Q3 2024"),
    ),
)

_Q2 = QuarterText(
    written="2024-07-25 06:30",
    headline="revenue passes €100 million, seal recall provided for",
    dateline="Tarrowby, 25 July 2024. Figures for April to June 2024, unaudited.",
    points=(
        "Revenue €100.1 million, up 6.3%; EBIT €11.0 million, a margin of 11.0%",
        "Order intake €97.2 million, 5.1% above the second quarter of 2023",
        "Provision of €0.4 million for replacing mechanical seals in 212 TX-200 pumps",
        "Guidance for 2024 confirmed",
    ),
    statement=(
        "For the first time the Group's revenue exceeded €100 million in a second quarter, and "
        "all three segments grew. Service did best once more: monitored pumps are repaired "
        "before they fail, and our customers have begun to plan their shutdowns around what "
        "the Linnet units report.",
        "In May we found that a batch of mechanical seals bought in for the TX-200 wears faster "
        "than it should when the pumped liquid contains sand. We decided to replace the seals in "
        "all 212 pumps that were delivered with them between November 2023 and February 2024, "
        "at our cost and without waiting for complaints. The supplier has accepted "
        "responsibility in principle.",
        "I thank Tobias Wennerstrand for eleven years as Chief Financial Officer and welcome "
        "Amara Lindqvist-Boateng, who took over on 1 July.",
        "Ingrid Halloran, Chief Executive",
    ),
    review=(
        (
            "Process Pumps",
            (
                "Revenue rose by 5.9% to €46.3 million. We sold 436 units of the TX-125 (Q2 2023: "
                "402). A chemical park in Antwerp ordered 38 pumps with magnetic couplings. The "
                "segment result of €6.1 million bears the provision for the seal replacement.",
            ),
        ),
        (
            "Water & Wastewater",
            (
                "Revenue rose by 4.3% to €31.4 million. The Oudemeer pumps are still in our "
                "store; the customer has confirmed that it will take delivery in August and "
                "September. The segment result was €2.5 million against €2.7 million a year ago, "
                "since installation work in Spain took longer than calculated.",
            ),
        ),
        (
            "Aftermarket Services",
            (
                "Revenue rose by 10.1% to €22.4 million. The number of pumps connected to Linnet "
                "units reached 1,467 at the end of June. The service workshop in Rotterdam is "
                "being fitted out and will open in September.",
            ),
        ),
    ),
    outlook=(
        "The Board confirms its guidance for 2024: revenue between €395 million and €405 million "
        "and an EBIT margin between 10.5% and 11.5%. Two motors for the new test bed at Millrace "
        "Works have been announced late by their maker; the test bed is now expected to enter "
        "service in the first quarter of 2025, one quarter later than planned.",
    ),
    other_note="2) Mainly rental income and a grant for apprentices' training.",
    notes=(
        _BASIS,
        (
            "2. Provisions",
            "A provision of €380 thousand was made for the replacement of mechanical seals in 212 "
            "TX-200 pumps. It is included in cost of sales of the Process Pumps segment. A claim "
            "against the supplier has not been recognised, as it is not yet virtually certain.",
        ),
        (
            "3. Dividend",
            "The annual general meeting of 15 May 2024 approved a dividend of €0.46 per share for "
            "2023 (2022: €0.42). The total of €11,316 thousand was paid on 22 May 2024.",
        ),
        (
            "4. Borrowings",
            "Borrowings were unchanged at €76,000 thousand. The covenant, net debt below 2.5 times "
            "EBITDA of the last four quarters, was met with a ratio of 0.95.",
        ),
        (
            "5. Events after the reporting period",
            "Amara Lindqvist-Boateng became Chief Financial Officer on 1 July 2024. No other events "
            "are to be reported.",
        ),
    ),
    calendar=(
        ("24 October 2024", "Quarterly report Q3 2024"),
        ("5 March 2025", "Annual report 2024"),
        ("14 May 2025", "Annual general meeting, Millrace Works, Tarrowby"),
    ),
)

_Q3 = QuarterText(
    written="2024-10-24 06:30",
    headline="large order from Singapore, fire at the Ellerhude foundry",
    dateline="Tarrowby, 24 October 2024. Figures for July to September 2024, unaudited.",
    points=(
        "Order intake €108.4 million, up 10.2%, with the largest single order in the Group's history",
        "Revenue €100.6 million, up 5.9%; EBIT €11.0 million, a margin of 10.9%",
        "Fire at the Ellerhude foundry on 14 August cost €1.1 million; nobody was injured",
        "Guidance for 2024 narrowed: revenue of €400–405 million, EBIT margin of 10.8–11.2%",
    ),
    statement=(
        "On the night of 14 August a fire broke out in heat-treatment furnace No. 2 of our foundry "
        "at Ellerhude. Nobody was injured. The fire brigade had it under control within two hours, "
        "but cables and the roof above the furnace were destroyed and the foundry stood still for "
        "nineteen working days. Colleagues from Tarrowby and Suzhou helped to keep customers "
        "supplied, and we bought castings from outside. I am grateful to all of them.",
        "Two events made the quarter a good one nevertheless. Oudemeer Desalination took delivery "
        "of all fourteen TX-200 pumps. And Lorong Biru Refining of Singapore ordered 62 TX-125 "
        "pumps for €11.4 million, the largest single order that the Group has ever received. "
        "Deliveries will run from March 2025 to January 2026.",
        "Ingrid Halloran, Chief Executive",
    ),
    review=(
        (
            "Process Pumps",
            (
                "Revenue rose by 2.6% to €44.1 million; 397 units of the TX-125 were sold "
                "(Q3 2023: 401). Without the standstill of the foundry we would have delivered "
                "about €2.2 million more, most of which will follow in the fourth quarter. The "
                "segment result was almost unchanged at €5.5 million.",
            ),
        ),
        (
            "Water & Wastewater",
            (
                "Revenue rose by 7.1% to €33.3 million with the delivery of the Oudemeer pumps in "
                "August and September. The segment result reached €2.9 million.",
            ),
        ),
        (
            "Aftermarket Services",
            (
                "Revenue rose by 10.9% to €23.2 million. The Rotterdam workshop opened on "
                "2 September with 17 employees. At the end of September 1,603 pumps were connected "
                "to Linnet units.",
            ),
        ),
    ),
    outlook=(
        "The Board narrows its guidance for 2024: revenue between €400 million and €405 million "
        "(previously €395–405 million) and an EBIT margin between 10.8% and 11.2% (previously "
        "10.5–11.5%). The guidance does not include the insurance payment for the fire, whose "
        "amount and date are still open. The new test bed at Millrace Works is now expected in "
        "the second quarter of 2025.",
    ),
    other_note="2) Q3 2024: costs of the fire at Ellerhude of (1,140), less other income of 280; see note 2.",
    notes=(
        _BASIS,
        (
            "2. Fire at the Ellerhude foundry",
            "The fire of 14 August 2024 led to costs of €1,140 thousand, shown in other operating "
            "expense: €500 thousand for clearing and emergency repairs and €640 thousand for "
            "late-delivery penalties owed to customers. The higher price of castings bought "
            "outside is contained in cost of sales. The Group is insured with Fernhill Mutual "
            "Assurance with a deductible of €250 thousand. No insurance income has been "
            "recognised, because the insurer had not confirmed the claim by 30 September 2024.",
        ),
        (
            "3. Provisions",
            "Provisions rose by €1,670 thousand to €13,910 thousand in the quarter, of which "
            "€640 thousand for the late-delivery penalties described in note 2. By the end of "
            "September the seals of 131 of the 212 TX-200 pumps had been replaced.",
        ),
        (
            "4. Borrowings",
            "The Group drew €2,000 thousand of its revolving credit facility in August. The "
            "covenant, net debt below 2.5 times EBITDA of the last four quarters, was met with a "
            "ratio of 0.88.",
        ),
        (
            "5. Events after the reporting period",
            "On 7 October 2024 the foundry returned to two shifts. No other events are to be reported.",
        ),
    ),
    calendar=(
        ("5 March 2025", "Annual report 2024"),
        ("24 April 2025", "Quarterly report Q1 2025"),
        ("14 May 2025", "Annual general meeting, Millrace Works, Tarrowby"),
    ),
)

TEXTS = {1: _Q1, 2: _Q2, 3: _Q3}
