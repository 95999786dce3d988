"""KDPhys-style networks and what one teaches the other (reconstructed: only the paper's abstract was at hand)."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.nn.frozen import Frozen  # noqa: E402
from perfuse.nn.shift import shifted, shifted_back  # noqa: E402
from perfuse.papers.kdphys import distil  # noqa: E402
from perfuse.papers.kdphys.imported import NAMES, load_physnet  # noqa: E402
from perfuse.papers.kdphys.model import NETWORKS, StudentA, StudentB, Teacher  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from published import physnet  # noqa: E402
from published.clips import face_clips  # noqa: E402
from published.load import differences, peak_rate, weights_folder  # noqa: E402

COUNTS = {
    "teacher": 768_577,
    "student-a": 230_723,
    "student-a-causal": 230_723,
    "student-a-2d": 230_507,
    "student-b": 234_323,
}
TRUTH = 75.4
"""Heart rate of the real clip, by its contact sensor's spectrum."""


pytestmark = pytest.mark.usefixtures("one_thread")


def clips(batch=2, count=8, size=64, seed=0):
    """Noise on a face-coloured patch."""
    made = torch.Generator().manual_seed(seed)
    skin = torch.tensor([170.0, 125.0, 105.0]).reshape(1, 3, 1, 1, 1)
    return (skin + 8 * torch.randn(batch, 3, count, size, size, generator=made)).clamp(0, 255)


def network(name, seed=0):
    """A preset with weights that answer with something, and statistics of its own."""
    torch.manual_seed(seed)
    made = NETWORKS[name]()
    for part in made.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = 1.0
    with torch.no_grad():
        made(clips(2, 8, side(name), 7))  # in training mode: fills the batch normalisations
    return made.eval()


def side(name):
    return 36 if name == "student-b" else 64


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_every_preset_is_counted():
    assert set(COUNTS) == set(NETWORKS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_shapes(name):
    net = network(name)
    assert parameters(net) == COUNTS[name]
    clip = clips(2, 8, side(name))
    pulse, taps = net.features(clip)
    assert pulse.shape == (2, 8)
    assert pulse.dtype == torch.float32
    assert torch.equal(net(clip), pulse)
    assert pulse.std(1).min() > 1e-4
    shapes = {
        "teacher": [(2, 64, 8, 32, 32), (2, 64, 4, 16, 16), (2, 64, 2, 8, 8)],
        "student-b": [(2, 16, 8, 34, 34), (2, 32, 8, 15, 15)],
    }
    wanted = shapes.get(name, [(2, 64, 8, 16, 16), (2, 64, 8, 16, 16), (2, 64, 8, 8, 8)])
    assert [tuple(tap.shape) for tap in taps] == wanted


def test_wider_teachers():
    assert parameters(Teacher((24, 48, 96))) == 1_726_945
    assert parameters(Teacher((32, 64, 128))) == 3_068_033


@pytest.mark.parametrize("name", COUNTS)
def test_batch_mates_and_light_do_not_matter(name):
    net, clip = network(name), clips(3, 8, side(name))
    with torch.no_grad():
        whole = net(clip)
        changed = torch.cat([clip[:1], clips(2, 8, side(name), seed=3)])
        assert torch.allclose(net(changed)[0], whole[0], atol=1e-5)
        assert torch.allclose(net(clip[1:2])[0], whole[1], atol=1e-5)
        assert torch.allclose(net(1.05 * clip), whole, atol=2e-3 * whole.std().item())
        assert not torch.allclose(net(changed)[1], whole[1], atol=1e-3 * whole.std().item())


@pytest.mark.parametrize("name", COUNTS)
def test_still_clips_have_a_finite_answer(name):
    net, size = network(name), side(name)
    with torch.no_grad():
        for level in (0.0, 127.0):
            assert torch.isfinite(net(torch.full((1, 3, 8, size, size), level))).all()


def test_errors_in_words():
    with pytest.raises(UsageError, match=r"10 frames.*multiples of 4"):
        Teacher()(clips(1, 10, 16))
    with pytest.raises(UsageError, match="36 x 36"):
        StudentB()(clips(1, 4, 40))
    with pytest.raises(UsageError, match="64 to 79"):
        StudentA("frame")(clips(1, 4, 48))
    with pytest.raises(UsageError, match="16 pixels a side or more"):
        StudentA()(clips(1, 4, 8))
    with pytest.raises(UsageError, match="no head 'tail'"):
        StudentA("tail")
    with pytest.raises(UsageError, match="causal=True"):
        StudentA().start()


def test_shift_by_hand():
    x = torch.arange(2 * 3 * 8.0).reshape(2, 3, 8, 1, 1) + 1
    both, (back, last) = shifted(x), shifted_back(x, torch.zeros(2, 2, 2, 1, 1))
    for out in (both, back):
        assert not out[:, 0, 0].any()
        assert torch.equal(out[:, 1:, 0], x[:, :-1, 0])
        assert torch.equal(out[:, :, 2:], x[:, :, 2:])
    assert torch.equal(both[:, :-1, 1], x[:, 1:, 1])
    assert not both[:, -1, 1].any()
    assert not back[:, :2, 1].any()
    assert torch.equal(back[:, 2:, 1], x[:, :1, 1])
    assert torch.equal(last, x[:, -2:, :2])


def test_reach_in_time():
    """Which frames an answer looks at: seven shifts and two frames of the head either way, or twice as far back."""
    frames = torch.randn(1, 3, 40, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for name, back, ahead in (("student-a", 9, 9), ("student-a-causal", 18, 0), ("student-a-2d", 0, 0)):
        (slope,) = torch.autograd.grad(answer_to(network(name), frames)[0, 20], frames)
        seen = slope.abs().amax((0, 1, 3, 4)).nonzero().flatten()
        assert (20 - seen.min().item(), seen.max().item() - 20) == (back, ahead)


def answer_to(net, inputs):
    """The network after its normalisation, whose spread carries every frame everywhere."""
    from perfuse.papers.kdphys import model

    kept = model.differences, model.trailing_differences
    try:
        model.differences = lambda clip, limit: clip
        model.trailing_differences = lambda clip, state, limit: (clip, *state)
        return net(inputs)
    finally:
        model.differences, model.trailing_differences = kept


def test_the_causal_student_knows_nothing_of_the_future():
    net, clip = network("student-a-causal"), clips(2, 24)
    later = clip.clone()
    later[:, :, 15:] = clips(2, 9, seed=5)
    with torch.no_grad():
        one, other = net(clip), net(later)
    assert torch.allclose(one[:, :15], other[:, :15], atol=1e-6)
    assert not torch.allclose(one[:, 15], other[:, 15], atol=1e-3)
    assert not torch.allclose(network("student-a")(clip)[:, :15], network("student-a")(later)[:, :15], atol=1e-3)


@pytest.mark.parametrize("cuts", [list(range(1, 20)), [7, 8, 19], [1, 2, 18]])
def test_streaming_equals_offline(cuts):
    net, clip = network("student-a-causal"), clips(2, 20)
    state, parts = net.start(2), []
    with torch.no_grad():
        for begin, end in zip([0, *cuts], [*cuts, 20], strict=True):
            state, pulse = net.step(state, clip[:, :, begin:end])
            assert pulse.shape == (2, end - begin)
            parts.append(pulse)
        whole = net(clip)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
    assert whole.std() > 1e-2


def test_streaming_remembers_a_constant_amount():
    net = network("student-a-causal")
    state = net.start(1, 32)
    sizes = [tuple(part.shape) for part in state]
    with torch.no_grad():
        state, _ = net.step(state, clips(1, 200, 32))
    assert [tuple(part.shape) for part in state] == sizes
    assert sum(part.numel() for part in state) < 25_000


def taps(seed=0, batch=2, count=8):
    """Of a student, and of a teacher with other sizes."""
    made = torch.Generator().manual_seed(seed)
    student = [(64, count, 16), (64, count, 16), (64, count, 8)]
    teacher = [(48, count, 32), (48, count // 2, 16), (48, count // 4, 4)]
    return tuple(
        tuple(torch.rand(batch, c, t, n, n, generator=made) for c, t, n in sizes) for sizes in (student, teacher)
    )


TERMS = {
    "clip": distil.attention_transfer,
    "frame": lambda s, t: distil.attention_transfer(s, t, norm="frame"),
    "profile": distil.temporal_profile,
}


@pytest.mark.parametrize("name", TERMS)
def test_laws_of_teaching(name):
    term, (student, teacher) = TERMS[name], taps()
    loss = term(student, teacher)
    assert loss.shape == (2,)
    assert ((loss > 1e-4) & (loss <= 2)).all()
    assert term(student, student).abs().max() < 1e-5
    assert torch.allclose(term([7 * tap for tap in student], [0.01 * tap for tap in teacher]), loss, atol=1e-5)
    assert torch.allclose(term([tap[:1] for tap in student], [tap[:1] for tap in teacher]), loss[:1], atol=1e-6)
    for tap in (*student, *teacher):
        tap.requires_grad_()
    term(student, teacher).sum().backward()
    assert all(tap.grad is not None and tap.grad.any() for tap in student)
    assert all(tap.grad is None for tap in teacher)
    dead = [torch.zeros_like(tap) for tap in student]
    assert torch.isfinite(term(dead, teacher)).all()
    assert torch.isfinite(term(student, dead)).all()


def test_attention_by_hand():
    student = torch.tensor([1.0, 2.0, 0.0, 0.0]).reshape(1, 1, 2, 1, 2)
    teacher = torch.tensor([0.0, 0.0, 3.0, 1.0]).reshape(1, 1, 2, 1, 2)
    assert distil.attention_transfer([student], [teacher]).item() == pytest.approx(2.0)  # nothing in common
    assert distil.attention_transfer([student], [student.flip(4)]).item() == pytest.approx(2 - 2 * 8 / 17)
    # frame by frame, a dead frame has nothing to compare: each frame's map here is missing on one side
    assert distil.attention_transfer([student], [teacher], norm="frame").item() == pytest.approx(1.0)
    ones = torch.ones(1, 1, 2, 1, 2)
    growing = ones * torch.tensor([1.0, 2.0]).reshape(1, 1, 2, 1, 1)
    assert distil.attention_transfer([ones], [growing], norm="frame").item() == pytest.approx(0, abs=1e-6)
    assert distil.attention_transfer([ones], [growing]).item() == pytest.approx(2 - 2 * 5 / 34**0.5, abs=1e-6)


def test_a_profile_is_a_correlation():
    student, teacher = taps(count=16)
    pairs = [distil.on_common_grid(distil.energy(s), distil.energy(t)) for s, t in zip(student, teacher, strict=True)]
    courses = [[attention.mean((2, 3))[0].numpy() for attention in pair] for pair in pairs]
    wanted = np.mean([1 - np.corrcoef(*pair)[0, 1] for pair in courses])
    assert distil.temporal_profile(student, teacher)[0].item() == pytest.approx(wanted, abs=1e-4)


def test_one_grid():
    """Short maps are spread evenly in time; the finer picture is averaged."""
    teacher = torch.tensor([0.0, 4.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    student, spread = distil.on_common_grid(torch.arange(64.0).reshape(1, 4, 4, 4), teacher)
    assert spread[0, :, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0]
    assert student.shape == spread.shape == (1, 4, 4, 4)
    student, spread = distil.on_common_grid(torch.arange(64.0).reshape(1, 4, 4, 4), teacher[:, :, :2, :2])
    assert student.shape == spread.shape == (1, 4, 2, 2)
    assert student[0, 0].flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_hint():
    torch.manual_seed(0)
    hint = distil.Hint()
    assert parameters(hint) == 12_480
    student, teacher = taps()
    with pytest.raises(UsageError, match="64 channels"):
        hint(student, teacher)
    hint = distil.Hint((64, 64, 64), (48, 48, 48))
    for tap in (*student, *teacher):
        tap.requires_grad_()
    loss = hint(student, teacher)
    assert loss.shape == (2,)
    assert torch.allclose(hint(student, [3 * tap for tap in teacher]), loss, atol=1e-4)
    assert torch.allclose(hint([s[1:] for s in student], [t[1:] for t in teacher]), loss[1:], atol=1e-5)
    loss.sum().backward()
    assert all(tap.grad is not None for tap in student)
    assert all(tap.grad is None for tap in teacher)
    assert all(p.grad is not None for p in hint.parameters())
    same = distil.Hint((48,), (48,))
    with torch.no_grad():
        same.project[0].weight.copy_(torch.eye(48).reshape(48, 48, 1, 1, 1))
    assert same(teacher[:1], teacher[:1]).abs().max() < 1e-6


def test_imitation_only_of_teachers_who_are_right():
    t = torch.arange(120) / 30
    pulse = torch.stack([torch.sin(2 * torch.pi * 1.2 * t)] * 5)
    said = pulse.clone()
    said[1] *= -1  # wrong
    said[2] += torch.randn(120, generator=torch.Generator().manual_seed(0))  # half right
    pulse[3], pulse[4, 5:90] = 0.0, torch.nan  # no label
    said.requires_grad_()
    trust = distil.agreement(said, pulse)
    r = np.corrcoef(said[2].detach(), pulse[2])[0, 1]
    assert trust.tolist() == pytest.approx([1, 0, r, 0, 0], abs=1e-4)
    assert not trust.requires_grad
    assert distil.agreement(said, pulse, least=0.9).tolist() == pytest.approx([1, 0, 0, 0, 0], abs=1e-4)
    student = torch.randn(5, 120, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = distil.imitation(student, said, trust)
    wanted = 1 - np.corrcoef(student[2].detach(), said[2].detach())[0, 1]
    assert loss[2].item() == pytest.approx(r * wanted, abs=1e-4)
    loss.sum().backward()
    assert said.grad is None
    assert (student.grad.abs().sum(1) > 0).tolist() == [True, False, True, False, False]


def test_taps_come_in_pairs():
    student, teacher = taps()
    for term in (*TERMS.values(), distil.Hint()):
        with pytest.raises(UsageError, match="3 taps of the student and 2"):
            term(student, teacher[:2])
    with pytest.raises(UsageError, match="'batch'"):
        distil.attention_transfer(student, teacher, norm="batch")


def test_a_frozen_teacher_stays_as_it_is():
    teacher = Frozen(network("teacher")).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    pulse, seen = teacher.features(clips(2, 8, 32))
    assert not pulse.requires_grad
    assert not any(tap.requires_grad for tap in seen)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not teacher.network.training
    assert torch.equal(teacher(clips(2, 8, 32)), pulse)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_real_taps_fit_together():
    student, teacher = network("student-a"), Frozen(network("teacher"))
    clip = clips(2, 8)
    student.train()
    (pulse, mine), (said, theirs) = student.features(clip), teacher.features(clip)
    hint = distil.Hint()(mine, theirs)
    losses = [term(mine, theirs) for term in TERMS.values()] + [hint, distil.imitation(pulse, said)]
    assert all(loss.shape == (2,) and torch.isfinite(loss).all() for loss in losses)
    sum(loss.mean() for loss in losses).backward()
    seen = [name for name, p in student.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not seen


# the published weights


def theirs(network):
    """A state with the Toolbox's names, as saved from several GPUs."""
    back = {ours: name for name, ours in NAMES.items()}
    out = {}
    for key, value in network.state_dict().items():
        ours = next(begin for begin in back if key.startswith(begin))
        out["module." + back[ours] + key.removeprefix(ours)] = value
    return out


def test_a_checkpoint_finds_its_places(tmp_path):
    torch.manual_seed(0)
    source = Teacher()
    torch.save(theirs(source), tmp_path / "one.pth")
    found = load_physnet(tmp_path / "one.pth")
    assert not found.training
    for name, value in source.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: {k: v for k, v in state.items() if "ConvBlock10" not in k}, r"lack last\.bias, last\.weight"),
        (lambda state: state | {"module.fc.weight": torch.zeros(1)}, r"hold fc\.weight"),
        (lambda state: theirs(Teacher((8, 16, 32))), "of another PhysNet: encoder.0.0.weight"),
        (lambda state: {"epoch": 3}, "holds no named weights"),
        (lambda state: [1, 2], "holds no named weights"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path, change, words):
    torch.save(change(theirs(Teacher())), tmp_path / "one.pth")
    with pytest.raises(SourceError, match=words):
        load_physnet(tmp_path / "one.pth")


class _Evil:
    def __reduce__(self):
        return print, ("run",)


def test_files_that_are_no_weights(tmp_path, capsys):
    with pytest.raises(SourceError, match="There is no file"):
        load_physnet(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    torch.save({"a": _Evil()}, tmp_path / "evil.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("text", "evil", "empty"):
        with pytest.raises(SourceError, match="cannot be read as weights"):
            load_physnet(tmp_path / f"{name}.pth")
    assert capsys.readouterr().out == ""


@pytest.fixture
def weights():
    folder = weights_folder()
    if folder is None:
        pytest.skip("published weights are not on this machine; set PERFUSE_WEIGHTS to their folder")
    return folder / "physnet" / "PURE_PhysNet_DiffNormalized.pth"


def test_equals_the_other_physnet(weights):
    """Two programs read the same file, and see the same in the same clip, normalisation included."""
    clip = clips(1, 16, 32)
    other = physnet.PhysNet()
    state = torch.load(weights, weights_only=True, map_location="cpu")
    renamed = {}
    for key, value in state.items():
        begin = next(name for name in physnet.NAMES if key.startswith(name))
        renamed[physnet.NAMES[begin] + key.removeprefix(begin)] = value
    other.load_state_dict(renamed)
    mine = load_physnet(weights)
    assert mine.slope
    mine.slope = False
    with torch.no_grad():
        assert torch.allclose(mine(clip), other.eval()(differences(clip[0])[None]), atol=1e-5)


@pytest.mark.slow
def test_the_teacher_reads_a_real_face(weights, shared_data):
    frames = face_clips(shared_data / "face" / "sample_1.mp4", [(72, 1.65)])[72, 1.65]
    clip = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, 3, 0), np.float32))[None]
    with (shared_data / "face" / "sample_1.csv").open() as file:
        contact = np.array([float(line["ppg"]) for line in csv.DictReader(file)])
    truth, teacher = bandpass(contact, 30.0, 0.6, 3.3, order=1), load_physnet(weights)
    with torch.no_grad():
        whole = teacher(clip[:, :, :352])[0].double().numpy()
        parts = [(start, teacher(clip[:, :, start : start + 128])[0].numpy()) for start in (0, 64, 128, 192)]
    assert peak_rate(bandpass(whole, 30.0, 0.6, 3.3, order=1), 30.0) == pytest.approx(TRUTH, abs=3.0)
    found = [best_r(pulse, truth[start : start + 128]) for start, pulse in parts]
    assert np.mean(found) > 0.6  # positive: it rises with the contact sensor's pulse


def best_r(wave, truth, reach=9):
    """Largest correlation at lags of up to 0.3 s."""
    inner = slice(reach, len(wave) - reach)
    return max(np.corrcoef(wave[inner], np.roll(truth, lag)[inner])[0, 1] for lag in range(-reach, reach + 1))


class _Step(torch.nn.Module):
    """One step as a graph: frames and memory in, pulse and memory out."""

    def __init__(self, student):
        super().__init__()
        self.student = student

    def forward(self, clip, *state):
        state, pulse = self.student.step(state, clip)
        return pulse, *state


@pytest.mark.slow
def test_a_step_can_be_exported(tmp_path):
    pytest.importorskip("onnxscript")
    from onnxruntime import InferenceSession

    net = network("student-a-causal")
    state, clip = net.start(1, 32), clips(1, 12, 32)
    program = torch.onnx.export(_Step(net), (clip[:, :, :1], *state), dynamo=True, verbose=False)
    program.save(tmp_path / "step.onnx")
    session = InferenceSession(tmp_path / "step.onnx", providers=["CPUExecutionProvider"])
    names, kept, said = [given.name for given in session.get_inputs()], [part.numpy() for part in state], []
    for frame in clip.split(1, 2):
        pulse, *kept = session.run(None, dict(zip(names, [frame.numpy(), *kept], strict=True)))
        said.append(pulse)
    with torch.no_grad():
        wanted = net(clip).numpy()
    assert np.abs(np.concatenate(said, 1) - wanted).max() < 1e-4 * wanted.std()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*COUNTS, "teacher-slope"])
def test_exported_with_free_batch_and_time(name, tmp_path):
    pytest.importorskip("onnxscript")
    from onnxruntime import InferenceSession

    net = Teacher(slope=True).eval() if name == "teacher-slope" else network(name)
    frames = torch.export.Dim("quarter", min=2) * 4 if name.startswith("teacher") else torch.export.Dim("time")
    program = torch.onnx.export(
        net, (clips(2, 8, side(name)),), dynamo=True, verbose=False, input_names=["clip"], output_names=["pulse"],
        dynamic_shapes=({0: torch.export.Dim("batch"), 2: frames},),
    )  # fmt: skip
    program.save(tmp_path / "model.onnx")
    session = InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for batch, count in ((1, 20), (3, 140)):
        clip = clips(batch, count, side(name), seed=count)
        with torch.no_grad():
            wanted = net(clip)
        (found,) = session.run(None, {"clip": clip.numpy()})
        assert found.shape == (batch, count)
        assert wanted.std() > 1e-3
        assert np.abs(found - wanted.numpy()).max() < 1e-4 * wanted.std()
