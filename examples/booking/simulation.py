"""What must be true of the seats: `relive simulate examples/booking/seats` finds that it is not."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st

from relive.simulate import State, WorkloadCtx, drawn_from, ids, invariant, sometimes, workload

SEATS = drawn_from(st.integers(1, 3))
GUESTS = drawn_from(st.sampled_from(["ada", "bob", "carol"]))


@workload()
def opens(ctx: WorkloadCtx, name: str = drawn_from(st.sampled_from(["Faust", "Hamlet"]))) -> None:
    ctx.mutation("seats:open_show", name=name)


@workload(weight=3)
def holds(ctx: WorkloadCtx, show: str = ids("shows"), seat: int = SEATS, guest: str = GUESTS) -> None:
    ctx.subscribe("seats:taken", show=show)
    ctx.mutation("seats:hold", show=show, seat=seat, guest=guest)


@workload(weight=3)
def books(ctx: WorkloadCtx, hold: str = ids("holds")) -> None:
    ctx.mutation("seats:book", hold=hold)


@invariant
def no_seat_is_booked_twice(state: State) -> None:
    booked = Counter((each["show"], each["seat"]) for each in state.table("bookings"))
    for (_, seat), count in booked.items():
        assert count == 1, f"seat {seat:.0f} is booked {count} times"


@invariant
def everybody_who_was_told_so_has_a_booking(state: State) -> None:
    # Who was told has a booking; who has asked, and was not told, may have one.
    booked = len(state.table("bookings"))
    assert len(state.acked("seats:book")) <= booked <= len(state.attempted("seats:book"))


@invariant(subscription="seats:taken")
def seats_are_shown_in_order(seats: list[float]) -> None:
    assert seats == sorted(seats)


@sometimes("a seat is booked")
def booked(state: State) -> bool:
    return bool(state.table("bookings"))
