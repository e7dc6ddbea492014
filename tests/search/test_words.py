"""Which words a text has, and which a search looks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.data.words import wanted_words, words_of
from relive.engine.limits import TEXT_CHARS_MAX, WORD_CHARS_MAX

texts = st.text(max_size=40) | st.text(
    st.sampled_from("aB éß\u0301\u200b\u200d\u00ad東京ガ한글\U0001f389'\u0e2a\u0e31\ufb03\0_-"), max_size=30
)


def words(text: str) -> list[str]:
    return [word for word, _ in words_of(text)[0]]


def wanted(text: str) -> list[str]:
    return [one.word + ("*" if one.begun else "") for one in wanted_words(text)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, WORLD!", ["hello", "world"]),
        ("crème BRÛLÉE", ["creme", "brulee"]),
        ("creme\u0300", ["creme"]),
        ("Straße STRASSE", ["strasse"]),
        ("İstanbul", ["istanbul"]),
        ("don't snake_case e-mail", ["don", "t", "snake", "case", "e", "mail"]),
        ("ﬃ ① \uff12\uff10\uff12\uff14 ｶﾞ", ["ffi", "1", "2024", "ガ"]),
        ("東京都", ["東京", "京都", "都"]),
        ("iPhoneを買う", ["iphone", "を買", "買う", "う"]),
        ("한국어", ["한국", "국어", "어"]),
        ("สวัสดี"[:2], ["สว", "ว"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שָׁלוֹם مَرْحَبًا", ["שלום", "مرحبا"]),
        ("йод ёлка", ["иод", "елка"]),
        ("hi🎉🎉👍🏽", ["hi", "🎉", "👍"]),
        ("zero\u200bwidth soft\u00adhyphen join\u2060er", ["zero", "width", "softhyphen", "joiner"]),
        ("\u0301\u200d \ufeff !?", []),
        ("\ud800lone\0zero", ["lone", "zero"]),
        ("", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_words_are_counted() -> None:
    assert words_of("a B a b a") == ((("a", 3), ("b", 2)), 5)


def test_the_last_word_is_looked_for_as_the_beginning_of_one() -> None:
    assert wanted("Hello wor") == ["hello", "wor*"]
    assert wanted("wor hello wor") == ["hello", "wor*"]
    assert wanted("東京都") == ["東京", "京都*"]
    assert wanted("東 x") == ["東*", "x*"]
    assert wanted("東京 京都 x") == ["東京", "京都", "x*"]
    assert wanted(" ... ") == []


def test_long_words_and_long_texts_are_held_by_their_beginning() -> None:
    assert words("x" * 50) == ["x" * WORD_CHARS_MAX]
    assert words("é" * 50) == ["e" * WORD_CHARS_MAX]
    assert wanted("x" * 50) == ["x" * WORD_CHARS_MAX + "*"]
    assert words("a " * TEXT_CHARS_MAX + "last") == ["a"]


@given(texts)
def test_words_are_such_as_an_index_can_hold(text: str) -> None:
    counts, length = words_of(text)
    assert sum(count for _, count in counts) == length
    for word, count in counts:
        assert 1 <= len(word) <= WORD_CHARS_MAX
        assert count > 0
        assert "\0" not in word
        word.encode()


@given(texts)
def test_case_and_accents_make_no_difference(text: str) -> None:
    folded = {word.casefold() for word in words(text)}
    assert folded == {*words(text)}
    if text.isascii():
        assert words(text) == words(text.upper()) == words("é".join(["", text]).removeprefix("é"))


@given(texts, texts)
def test_whoever_types_a_text_finds_it(before: str, text: str) -> None:
    there = words(f"{before} {text}")
    for one in wanted_words(text)[1]:
        assert one.word in there or (one.begun and any(word.startswith(one.word) for word in there))


@given(texts.filter(lambda text: len(text) > 0), st.data())
def test_every_character_of_unspaced_text_is_found_alone(text: str, data: st.DataObject) -> None:
    run = "東京都に行く"
    character = data.draw(st.sampled_from(run))
    there = words(f"{text} {run}")
    (one,) = wanted_words(character)[1]
    assert one.begun
    assert any(word.startswith(one.word) for word in there)
