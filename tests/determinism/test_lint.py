"""What the text of a module shows: each rule, what it leaves alone, and how it is silenced."""

from __future__ import annotations

import textwrap

import pytest
from relive.engine.determinism import lint
from relive.engine.determinism.real import real_thread_time_ns

HEADER = """
import asyncio, os, random, sys, threading, time
import numpy as np
import requests
from subprocess import run as sh
from relive import action, mutation, query

CACHE = {}
COUNTER = 0
SEEN: list[str] = []
"""


def check(body: str) -> list[lint.Finding]:
    return lint.check(HEADER + textwrap.dedent(body), "chat/messages.py")


def in_query(*lines: str) -> list[lint.Finding]:
    body = "".join(f"    {line}\n" for line in lines)
    return check(f"@query\nasync def q(ctx, xs, url):\n{body}")


def codes(findings: list[lint.Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("requests.get(url)", "D001"),
        ("sh(['ls'])", "D001"),
        ("open('x')", "D001"),
        ("await asyncio.sleep(1)", "D001"),
        ("time.sleep(1)", "D001"),
        ("os.stat('x')", "D001"),
        ("home = os.environ['HOME']", "D001"),
        ("sys.argv", "D001"),
        ("np.random.rand(3)", "D001"),
        ("key = id(xs)", "D001"),
        ("import httpx; httpx.get(url)", "D001"),
        ("ctx.db.insert('t', {})", "D003"),
        ("ctx.scheduler.run_after(1, url)", "D003"),
        ("for tag in {'a', 'b'}: pass", "D004"),
        ("s = set(xs); ys = [y for y in s]", "D004"),
        ("s = set(xs); ys = list(s)", "D004"),
        ("s = set(xs); first = s.pop()", "D004"),
        ("text = ','.join({'a', 'b'} | set(xs))", "D004"),
        ("CACHE[url] = 1", "D005"),
        ("del CACHE[url]", "D005"),
        ("CACHE[url] += 1", "D005"),
        ("SEEN.append(url)", "D005"),
        ("q.attribute = 3", "D005"),
        ("bucket = hash(url)", "D006"),
        ("start = time.perf_counter()", "D008"),
    ],
)
def test_each_rule_finds_what_it_is_for(line: str, code: str) -> None:
    (finding,) = in_query(line)

    assert finding.code == code
    assert finding.line == HEADER.count("\n") + 3


@pytest.mark.parametrize(
    "line",
    [
        "r = random.random()",
        "now = time.time()",
        "path = os.path.join('a', 'b')",
        "s = set(xs); ys = sorted(s)",
        "s = set(xs); total = sum(y for y in s)",
        "s = set(xs); n = len([y for y in s])",
        "await ctx.db.insert('t', {})",
        "ctx.log('hi')",
        "cache = dict(CACHE); cache['x'] = 1",
        "seen = []; seen.append(url)",
        "open = xs; open()",
        "f = lambda open: open('x')",
        "generator = np.random.default_rng(1)",
        "xs.sort()",
    ],
)
def test_what_is_deterministic_is_left_alone(line: str) -> None:
    assert in_query(line) == []


def test_assigning_a_global_is_an_error() -> None:
    assert codes(in_query("global COUNTER", "COUNTER += 1")) == ["D005"]


def test_a_mutable_default_is_an_error() -> None:
    assert codes(check("@query\nasync def q(ctx, xs: list = []): pass")) == ["D005"]


def test_swallowing_base_exceptions_is_warned_of() -> None:
    swallowed = in_query("try: await ctx.db.get(url)", "except: pass")
    raised_again = in_query("try: await ctx.db.get(url)", "except BaseException:", "    raise")
    narrow = in_query("try: await ctx.db.get(url)", "except ValueError: pass")

    assert (codes(swallowed), raised_again, narrow) == (["D007"], [], [])


def test_actions_may_do_everything() -> None:
    assert check("@action\nasync def a(ctx):\n    requests.get('x'); time.sleep(1); open('x')") == []


def test_a_helper_is_judged_only_if_a_handler_reaches_it() -> None:
    findings = check("""
        def bad(url):
            return requests.get(url)

        def fine(url):
            return requests.get(url)

        def between(url):
            return bad(url)

        @query
        async def q(ctx, url):
            return between(url)

        @action
        async def a(ctx):
            return fine("x")
    """)

    assert [finding.message for finding in findings] == [
        "`requests.get()` does network I/O: move it to an @action and hand its result to a mutation "
        "(in `bad`, reached from query `q`)"
    ]


def test_handlers_are_not_judged_through_one_another() -> None:
    findings = check("""
        @mutation
        async def m(ctx):
            open("x")

        @query
        async def q(ctx):
            return await m(ctx)
    """)

    assert [str(finding).partition(" (in ")[2] for finding in findings] == ["mutation `m`)"]


def test_a_finding_says_where_what_and_what_to_do() -> None:
    (finding,) = in_query("open('x')")

    assert str(finding) == (
        "chat/messages.py:13:5: D001 error: `open()` touches the file system: "
        "read it at module load, or move it to an @action (in query `q`)"
    )


def test_a_comment_silences_its_line() -> None:
    assert in_query("open('x')  # ok: D001") == []
    assert in_query("open(str({'a'}.pop()))  # ok: D001, D004") == []
    assert codes(in_query("open('x')  # ok: D004")) == ["D001"]


def test_a_decorator_with_arguments_makes_a_handler_too() -> None:
    assert codes(check("@query(public=False)\nasync def q(ctx):\n    open('x')")) == ["D001"]


def test_expressions_too_deep_to_read_are_said_to_be() -> None:
    findings = in_query("return " + " + ".join(["'a'"] * 900))

    assert codes(findings) in (["D009"], [])


def test_a_syntax_error_is_the_callers() -> None:
    with pytest.raises(SyntaxError):
        lint.check("def", "x.py")


def test_a_large_module_is_read_in_linear_time() -> None:
    handler = "@query\nasync def q{n}(ctx, x):\n    y = helper{n}(x)\n    return [z for z in sorted({{y}})]\n"
    helper = "def helper{n}(x):\n    return helper{m}(x) if x else x\n"
    source = "".join((handler + helper).format(n=n, m=max(n - 1, 0)) for n in range(400))

    started_ns = real_thread_time_ns()
    findings = lint.check(HEADER + source, "large.py")

    assert findings == []
    assert real_thread_time_ns() - started_ns < 3e9
