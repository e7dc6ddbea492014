"""Tokens of upload addresses: for an hour, of this deployment, and the same when a mutation is run again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from relive.engine.transactions.upload_tokens import NONCE_BYTES, VALID_MS, judge_token, make_token

SECRET, OTHER = b"one secret", b"another secret"
NOW_MS = 1_700_000_000_000.0
NONCES = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


@given(NONCES, st.floats(0, 2 * VALID_MS))
def test_a_token_is_good_for_an_hour(nonce: bytes, later_ms: float) -> None:
    token = make_token(SECRET, NOW_MS, nonce)
    assert judge_token(SECRET, token, NOW_MS + later_ms) == ("valid" if later_ms < VALID_MS else "expired")
    assert judge_token(OTHER, token, NOW_MS + later_ms) == "forged"


@given(NONCES, st.data())
def test_a_token_of_which_anything_was_changed_is_forged(nonce: bytes, data: st.DataObject) -> None:
    token = make_token(SECRET, NOW_MS, nonce)
    place = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(0, 2))
    changed = token[:place] + data.draw(st.text(max_size=2)) + token[place + cut :]
    assert judge_token(SECRET, changed, NOW_MS) == ("valid" if changed == token else "forged")


@given(st.text(max_size=300))
def test_any_other_text_is_forged(text: str) -> None:
    assert judge_token(SECRET, text, NOW_MS) == "forged"
