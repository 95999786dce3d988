"""Splits: everybody once, nobody on both sides, the same every time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfuse.core.errors import UsageError
from perfuse.data.recording import Recording
from perfuse.data.splits import person, splits


def take(dataset, subject, task, **about):
    return Recording(
        dataset, f"{subject}-{task}", subject, dict, dict, (Path(f"{subject}-{task}"),), {"task": task, **about}
    )


def crowd(people, tasks=3, dataset="pure"):
    return [
        take(dataset, f"s{p}", f"T{t}", light=("dim", "bright")[p % 2]) for p in range(people) for t in range(tasks)
    ]


def sides(split):
    return [{person(r) for r in side} for side in (split.train, split.val, split.test)]


@given(st.integers(3, 40), st.integers(1, 4), st.integers(0, 99), st.data())
def test_nobody_is_on_two_sides(people, tasks, seed, data):
    folds = data.draw(st.integers(2, people))
    group = crowd(people, tasks)
    made = splits(f"k-fold:{folds}", group, seed)
    for split in made:
        train, val, test = sides(split)
        assert not train & val
        assert not train & test
        assert not val & test
        assert not split.leaks
        assert sum(map(len, (split.train, split.val, split.test))) == len(group)
    tested = [r.id for split in made for r in split.test]
    assert sorted(tested) == sorted(r.id for r in group)


@given(st.integers(10, 40), st.integers(0, 99))
def test_shares_count_people(people, seed):
    (split,) = splits("subject:0.6/0.2/0.2", crowd(people), seed)
    assert [len(side) for side in sides(split)] == [
        round(0.6 * people),
        round(0.8 * people) - round(0.6 * people),
        people - round(0.8 * people),
    ]
    assert not split.leaks


def test_a_split_does_not_depend_on_the_order_of_the_recordings():
    group = crowd(12)
    for spec in ("subject", "k-fold:4", "toolbox"):
        one, two = splits(spec, group, 3), splits(spec, group[::-1], 3)
        assert [{r.id for r in a.test} for a in one] == [{r.id for r in b.test} for b in two]
    assert {r.id for r in splits("subject", group, 1)[0].test} != {r.id for r in splits("subject", group, 2)[0].test}


def test_leaving_one_out_keeps_its_people_out_of_training():
    made = splits("leave-one:light", crowd(10))
    assert [split.name for split in made] == ["leave-one:light/bright", "leave-one:light/dim"]
    assert all({r.about["light"] for r in split.test} == {split.name.split("/")[1]} for split in made)
    # everybody did every task: whoever is tested on one cannot be trained on
    with pytest.raises(UsageError, match="nobody is left"):
        splits("leave-one:task", crowd(10))
    both = [*crowd(4), *crowd(4, dataset="mmpd")]
    assert [s.name for s in splits("leave-one:dataset", both)] == ["leave-one:dataset/mmpd", "leave-one:dataset/pure"]
    assert not any(s.leaks for s in splits("leave-one:dataset", both))  # s1 here is not s1 there


def test_the_toolbox_cuts_subjects_of_pure_and_files_of_ubfc_phys():
    (pure,) = splits("toolbox:0.8", crowd(10))
    assert sides(pure)[2] == {"pure/s8", "pure/s9"}
    assert not pure.leaks
    (phys,) = splits("toolbox:0.8", crowd(7, dataset="ubfc-phys"))
    assert len(phys.train) == int(0.8 * 21)
    assert phys.leaks == ("ubfc-phys/s5",)
    assert "by recording" in phys.note
    assert [p.kind for p in phys.problems()] == ["leak"]
    assert "ubfc-phys/s5" in phys.problems()[0].message


def test_drawing_recordings_leaks_and_says_so():
    (split,) = splits("recording:0.5/0.2/0.3", crowd(20))
    assert len(split.leaks) > 10
    assert "not people" in split.note


def test_a_data_set_may_bring_its_own():
    fold = [take("vipl-hr", f"p{p}", "v1", fold=p % 5) for p in range(20)]
    made = splits("own", fold)
    assert [len(s.test) for s in made] == [4] * 5
    side = [take("scamps", f"p{p}", "v", split=("train", "val", "test")[p % 3]) for p in range(9)]
    (split,) = splits("own", side)
    assert [len(s) for s in (split.train, split.val, split.test)] == [3, 3, 3]
    leaky = [*side, take("scamps", "p0", "w", split="test")]
    assert splits("own", leaky)[0].leaks == ("scamps/p0",)
    with pytest.raises(UsageError, match="no split of its own"):
        splits("own", crowd(4))


NO_SPLITS = """, random, k-fold:1, k-fold:99, k-fold:x, subject:0.5/0.5, subject:a/b/c, subject:0.5/0.5/0.0,
toolbox:2, leave-one, leave-one:shoes, leave-one:age, own:3, subject:0.98/0.01/0.01"""


@pytest.mark.parametrize("spec", [spec.strip() for spec in NO_SPLITS.split(",")])
def test_what_is_no_split_is_told(spec):
    with pytest.raises(UsageError):
        splits(spec, crowd(6))
