"""Teachers of the PhysVLM-style student: what they say, how it is kept, and which are refused (all reconstructed)."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.papers.physvlm import adapt, priors, prompts, tiny  # noqa: E402
from perfuse.papers.physvlm.adapt import Example, Learner  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps, pair, picture, replayed  # noqa: E402
from perfuse.papers.physvlm.priors import Teacher, key, open_priors, prior_of, words_of, write_priors  # noqa: E402
from perfuse.papers.physvlm.teachers import SpectralTeacher  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

PULSES, BREATHS = torch.tensor(prompts.PULSES), torch.tensor(prompts.BREATHS)


def maps(count=4, seed=0, **how):
    return made_maps(count, 256, generator=torch.Generator().manual_seed(seed), **how)


def parts(made, name="pure"):
    yield [key(f"{name}/{k}", 0, clip) for k, clip in enumerate(made.clip)], made.clip, made.heart_rate


# --- pictures and captions


def test_pictures_are_rows_of_cells():
    made = maps(2)
    rows = picture(made.clip)
    assert rows.shape == (2, 3, 64, 256)
    assert rows.min() == 0
    assert rows.max() == 1
    trace = made.clip[1, :, :, 3:8, 0:5].mean((0, 2, 3))  # about row 5, column 2: column by column of the face
    time = torch.linspace(-1, 1, 256)
    trace = trace - trace.mean()
    trace = trace - (trace * time).mean() / time.square().mean() * time
    assert torch.allclose(rows[1, 1, 2 * 8 + 5], (trace - trace.min()) / (trace.max() - trace.min()), atol=1e-4)
    bad = made.clip.clone()
    bad[0, 0, 3, 0, 0] = float("nan")
    bad[1] = 9.0
    rows = picture(bad)
    assert torch.isfinite(rows).all()
    assert (rows[1] == 0.5).all()


def test_red_is_the_pulse_whatever_the_light_does():
    """A lamp that flickers moves all colours alike: POS does not see it, brightness does."""
    time = torch.arange(512) / 30
    level = torch.tensor([150.0, 110.0, 90.0]).reshape(3, 1, 1, 1)
    pulse = torch.tensor([0.3, 1.0, 0.6]).reshape(3, 1, 1, 1) * torch.sin(2 * torch.pi * 1.2 * time)[:, None, None]
    lamp = 1 + 0.05 * torch.sin(2 * torch.pi * 0.8 * time)[:, None, None]
    rows = picture(((level - pulse) * lamp).expand(3, 512, 8, 8)[None])[0, :, 20]
    line = [
        torch.fft.rfft((row - row.mean()) * torch.hann_window(512)).abs().argmax().item() * 30 / 512 for row in rows
    ]
    assert line[0] == pytest.approx(1.2, abs=0.06)
    assert line[1] == pytest.approx(0.8, abs=0.06)


def test_pairs_show_two_speeds():
    time = torch.arange(256.0)
    rows = torch.sin(2 * torch.pi * 8 * time / 256).expand(2, 3, 1, 256)
    assert torch.allclose(replayed(rows, torch.ones(2)), rows, atol=1e-5)
    shown = pair(rows, torch.tensor([0.5, 1.5]))
    left, right = shown[:, 0, 0, :128], shown[:, 0, 0, 128:]
    lines = [torch.fft.rfft(x - x.mean(1, keepdim=True)).abs().argmax(1).tolist() for x in (left, right)]
    assert lines == [[4, 4], [2, 6]]


def test_captions():
    assert (len(prompts.PULSES), len(prompts.BREATHS)) == (41, 22)
    for rate in prompts.PULSES:
        assert all(prompts.rate_in(sentence) == ("pulse", rate) for sentence in prompts.pulse(rate))
    for rate in prompts.BREATHS:
        assert all(prompts.rate_in(sentence) == ("breath", rate) for sentence in prompts.breath(rate))
    assert prompts.rate_in(prompts.CLEAN[0]) is None
    assert [prompts.number(x) for x in (0.25, 4 / 3, 2.0, 100.0)] == ["0.25", "1.33", "2", "100"]
    assert prompts.mark() != prompts.mark([prompts.CLEAN])
    used = {place for rate in prompts.PULSES for s in prompts.pulse(rate) for place in tiny._tokens(s)}
    assert 1 not in used  # every word is known


# --- a teacher without weights


@torch.no_grad()
def test_the_spectral_teacher_reads_rates():
    teacher = SpectralTeacher()
    assert isinstance(teacher, Teacher)
    words, made = words_of(teacher), maps(48, 3)
    prior = prior_of(teacher, words, made.clip)
    assert torch.allclose(prior.embedding.norm(dim=1), torch.ones(48), atol=1e-4)
    assert torch.allclose(prior.pulse.sum(1), torch.ones(48), atol=1e-5)
    error = (PULSES[prior.pulse.argmax(1)] - made.heart_rate).abs()
    assert (error <= 5).float().mean() >= 0.95
    slow = maps(48, 3, breaths=(8.0, 30.0))
    found = BREATHS[prior_of(teacher, words, slow.clip).breath.argmax(1)]
    assert ((found - slow.respiratory_rate).abs() <= 4).float().mean() >= 0.9
    assert prior.weight.min() >= 0
    assert prior.weight.max() <= 1


@torch.no_grad()
def test_a_wrong_teacher_is_believed_less():
    teacher = SpectralTeacher()
    words, made = words_of(teacher), maps(6, 4)
    free = prior_of(teacher, words, made.clip)
    right = prior_of(teacher, words, made.clip, free.pulse @ PULSES)
    wrong = prior_of(teacher, words, made.clip, free.pulse @ PULSES + 20)
    unknown = prior_of(teacher, words, made.clip, torch.full((6,), float("nan")))
    assert torch.allclose(right.weight, free.weight)
    assert torch.allclose(wrong.weight, free.weight * 0.1353, atol=1e-3)
    assert torch.equal(unknown.weight, free.weight)


def test_the_spectral_teacher_wants_a_rate():
    with pytest.raises(UsageError, match="does not understand"):
        SpectralTeacher().encode_text(["a cat"])
    assert SpectralTeacher().fingerprint() != SpectralTeacher(25.0).fingerprint()


# --- priors on disk


def test_what_is_kept_is_what_was_said(tmp_path):
    teacher, made = SpectralTeacher(), maps()
    words = write_priors(tmp_path / "p.safetensors", teacher, parts(made), domains=["pure"])
    kept = open_priors(tmp_path / "p.safetensors", teacher=teacher.fingerprint(), held_out=["nbhr"])
    said = prior_of(teacher, words, made.clip, made.heart_rate)
    names = next(parts(made))[0]
    again = kept.of([names[2], names[0]])
    for field in priors.Prior.__slots__:
        assert torch.equal(getattr(again, field), getattr(said, field)[[2, 0]])
    assert torch.equal(kept.words.pulse, words.pulse)
    assert (kept.words.scale, kept.words.mark) == (words.scale, words.mark)
    shifted = made.clip[0] + 1
    assert key("pure/0", 0, shifted) != names[0]
    with pytest.raises(SourceError, match="was not asked about pure/0@0"):
        kept.of([key("pure/0", 0, shifted)])


def test_caches_that_are_refused(tmp_path, monkeypatch):
    teacher, path = SpectralTeacher(), tmp_path / "p.safetensors"
    write_priors(path, teacher, parts(maps()), domains=["pure", "nbhr"])
    with pytest.raises(UsageError, match="another teacher said"):
        open_priors(path, teacher="0" * 16)
    with pytest.raises(UsageError, match="holds clips of nbhr, which is held out"):
        open_priors(path, held_out=["ubfc", "nbhr"])
    learnt = SpectralTeacher()
    learnt.domains = ("v4v",)
    write_priors(tmp_path / "q.safetensors", learnt, parts(maps()), domains=["pure"])
    with pytest.raises(UsageError, match="has learnt from v4v, which is held out"):
        open_priors(tmp_path / "q.safetensors", held_out=["v4v"])
    with pytest.raises(SourceError, match="There is no file"):
        open_priors(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="cannot be read"):
        open_priors(tmp_path / "bad")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(SourceError, match="no cache of what a teacher said"):
        open_priors(tmp_path / "other")
    with pytest.raises(UsageError, match="No clip"):
        write_priors(path, teacher, [], domains=["pure"])
    with pytest.raises(UsageError, match="given twice"):
        write_priors(path, teacher, [*parts(maps()), *parts(maps())], domains=["pure"])
    monkeypatch.setattr(prompts, "PULSE", ("a map that pulses at {} beats per minute", *prompts.PULSE[1:]))
    with pytest.raises(UsageError, match="other captions"):
        open_priors(path)


# --- how teachers learn


def test_soft_targets():
    rates = torch.tensor([60.0, 63.0, 150.0])
    vectors = adapt.unit(torch.eye(3) + 0.05)
    one = torch.tensor(30.0)
    near = vectors.clone()
    near[1] = adapt.unit(vectors[0] + vectors[1])  # between two rates that are nearly the same
    far = vectors.clone()
    far[1] = adapt.unit(vectors[2] + vectors[1])
    cost = [float(adapt.soft_contrast(images, vectors, rates, 5.0, one)) for images in (near, far)]
    assert cost[0] < cost[1]


def test_ranking_by_hand():
    rates = torch.tensor([60.0, 80.0, 200.0])
    turn = torch.tensor([0.0, 0.5, 1.5])
    ordered = torch.stack([turn.cos(), turn.sin()], 1)
    assert float(adapt.ranking(ordered, ordered, rates)) == 0
    swapped = ordered[[0, 2, 1]]
    assert float(adapt.ranking(swapped, swapped, rates)) > 0.05
    assert float(adapt.ranking(ordered, ordered, torch.full((3,), 60.0))) == 0  # equally far: no order


def example(step):
    made = maps(8, step)
    return Example(made.clip, made.heart_rate, made.respiratory_rate)


def test_a_tiny_teacher_learns_and_is_kept(tmp_path):
    torch.manual_seed(0)
    teacher = tiny.TinyDualEncoder()
    assert isinstance(teacher, Learner)
    assert 0.1e6 < sum(p.numel() for p in teacher.parameters()) < 0.15e6
    before = teacher.fingerprint()
    losses = adapt.adapt(
        teacher, lambda _: example(0), steps=6, domains=["pure"], held_out=["nbhr"], lr=2e-3, pairs=1
    )
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    assert teacher.domains == ("pure",)
    assert teacher.fingerprint() != before
    tiny.save_tiny(teacher, tmp_path / "t.safetensors")
    again = tiny.load_tiny(tmp_path / "t.safetensors")
    assert again.fingerprint() == teacher.fingerprint()
    assert again.domains == ("pure",)
    made = maps(3, 9)
    with torch.no_grad():
        assert torch.equal(again.encode_image(picture(made.clip)), teacher.encode_image(picture(made.clip)))
    words = write_priors(tmp_path / "p", again, parts(made), domains=["maps"])
    assert words.pulse.shape == (41, 64)
    with pytest.raises(UsageError, match="has learnt from pure"):
        open_priors(tmp_path / "p", held_out=["pure"])


def test_teachers_that_may_not_learn():
    with pytest.raises(UsageError, match="nbhr is held out"):
        adapt.adapt(tiny.TinyDualEncoder(), example, steps=1, domains=["pure", "nbhr"], held_out=["nbhr"])
    learnt = tiny.TinyDualEncoder()
    learnt.adapted(["v4v"])
    with pytest.raises(UsageError, match="v4v is held out"):
        adapt.adapt(learnt, example, steps=1, domains=["pure"], held_out=["v4v"])

    def nothing(step):
        nobody = torch.full((4,), float("nan"))
        return replace(example(step), heart_rate=nobody, respiratory_rate=nobody)

    with pytest.raises(UsageError, match="No clip with a known rate"):
        adapt.adapt(tiny.TinyDualEncoder(), nothing, steps=1, domains=["pure"], pairs=0)


def test_files_of_tiny_teachers_that_are_refused(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="There is no file"):
        tiny.load_tiny(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="cannot be read"):
        tiny.load_tiny(tmp_path / "bad")
    tiny.save_tiny(tiny.TinyDualEncoder(), tmp_path / "t")
    monkeypatch.setattr(tiny, "VOCABULARY", (*tiny.VOCABULARY[:-1], "other"))
    with pytest.raises(SourceError, match="no teacher of these captions"):
        tiny.load_tiny(tmp_path / "t")


@pytest.mark.slow
def test_a_tiny_teacher_reads_rates():
    teacher = tiny.teach_tiny(300)
    made = maps(64, 77)
    with torch.no_grad():
        prior = prior_of(teacher, words_of(teacher), made.clip)
    error = (PULSES[prior.pulse.argmax(1)] - made.heart_rate).abs()
    breath = (BREATHS[prior.breath.argmax(1)] - made.respiratory_rate).abs()
    assert (error <= 5).float().mean() >= 0.75
    assert float(error.mean()) < 6  # by chance: about 60
    assert float(breath.mean()) < 6
