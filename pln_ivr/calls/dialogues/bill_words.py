"""What is said of a bill, in prompts. Pure."""

from __future__ import annotations

from pln_ivr.bills.answer import Bill
from pln_ivr.calls.dialogues.amounts import MONTHS, NUMBERS, spoken_date, spoken_number

LOOKING, AMOUNT, RUPIAH, DUE = "bill-looking", "bill-amount", "bill-rupiah", "bill-due"
PAID, NO_CUSTOMER, UNAVAILABLE = "bill-paid", "bill-no-customer", "bill-unavailable"
PROMPTS = (
    *(LOOKING, AMOUNT, RUPIAH, DUE, PAID, NO_CUSTOMER, UNAVAILABLE),
    *NUMBERS,
    *MONTHS,
)


def words_of(bill: Bill) -> tuple[str, ...]:
    """The prompts that say a bill."""
    if not bill.amount:
        return (PAID,)
    due = (DUE, *spoken_date(bill.due)) if bill.due else ()
    return (AMOUNT, *spoken_number(bill.amount), RUPIAH, *due)
