"""Who does what to whom."""

from __future__ import annotations

import pytest

from rag.models.offline.parties import turned_round


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pellcombe Water pays Greyfell a fee.", "Greyfell pays a fee to Pellcombe Water."),
        ("Greyfell shall pay Pellcombe Water.", "Pellcombe Water pays Greyfell monthly."),
        ("The supplier shall pay the buyer.", "The buyer shall pay the supplier."),
        ("The Supplier pays the Buyer a fee.", "The Buyer pays a fee to the Supplier."),
        ("Greyfell shall pay Pellcombe the fee by 31 May.",
         "Pellcombe shall pay Greyfell the fee by 31 May."),
        ("Acme Inc. acquired Beta Corp. in full.", "Beta Corp. acquired Acme Inc. in full."),
        ("In May Greyfell sued Pellcombe.", "Pellcombe sued Greyfell in May."),
        ("Ørsted supplies Pellcombe with power.", "Pellcombe supplies Ørsted with power."),
        ("Greyfell pays Pellcombe USD 500 per day.", "Pellcombe pays Greyfell USD 500 per day."),
        ("Greyfell pays Pellcombe USD 500.", "Greyfell is paid USD 500 by Pellcombe."),
        ("Acme sued Bolt.", "Acme was sued by Bolt."),
        ("The Supplier may assign it only with the Customer's consent.",
         "The Customer may assign this Agreement only with the Supplier's consent."),
        ("The method outperforms the baseline.", "The baseline outperforms the method."),
    ],
)  # fmt: skip
def test_names_in_each_others_place(one: str, other: str) -> None:
    assert turned_round(one, other)
    assert turned_round(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pellcombe pays Greyfell.", "Pellcombe pays Greyfell a fee."),
        ("Pellcombe pays Greyfell.", "Greyfell is paid by Pellcombe."),
        ("Pellcombe met Greyfell in May.", "Greyfell met Pellcombe in May."),
        ("Pellcombe sells pumps and Greyfell sells seals.",
         "Greyfell sells seals and Pellcombe sells pumps."),
        ("Pellcombe shall pay Greyfell.", "Greyfell shall tell Pellcombe."),
        ("The tenant pays the rent.", "The rent is due when the tenant pays."),
        ("The tenant leases the premises from the landlord.",
         "The landlord leases the premises to the tenant."),
        ("The pump is connected to the tank.", "The tank is connected to the pump."),
        ("BERT differs from GPT.", "GPT differs from BERT."),
        ("Greyfell signed a supply agreement with Pellcombe.",
         "Pellcombe signed a supply agreement with Greyfell."),
        ("The Buyer is obliged to pay the Seller within 30 days.",
         "The Seller is obliged to deliver to the Buyer within 30 days."),
        ("The Supplier shall promptly notify the Buyer of any delay.",
         "The Buyer shall promptly inform the Supplier of any delay."),
        ("Der Mieter zahlt dem Vermieter.", "Der Vermieter zahlt dem Mieter."),
        ("The Seller shall indemnify the Buyer and the Buyer shall indemnify the Seller.",
         "The Buyer shall indemnify the Seller."),
        ("", ""),
    ],
)  # fmt: skip
def test_what_both_may_say(one: str, other: str) -> None:
    assert not turned_round(one, other)
    assert not turned_round(other, one)


def test_many_names_take_no_longer_than_that() -> None:
    text = " ".join(f"Alpha{n} pays Beta{n}" for n in range(200))
    assert not turned_round(text, text)
