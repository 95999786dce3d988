"""RPM-Distill's networks: the student with published weights on a real face, the radar teacher, the policy."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.export.bundle import export  # noqa: E402
from perfuse.methods.student import load_bundle  # noqa: E402
from perfuse.nn.frozen import Frozen  # noqa: E402
from perfuse.nn.nmf import rank_one  # noqa: E402
from perfuse.nn.weights import read_weights  # noqa: E402
from perfuse.papers.rpm_distill.imported import FRAMES, SIZE, load_factorizephys, renamed  # noqa: E402
from perfuse.papers.rpm_distill.policy import Policy, advised  # noqa: E402
from perfuse.papers.rpm_distill.student import FactorizePhys, Student  # noqa: E402
from perfuse.papers.rpm_distill.teacher import SMALL, TEACHERS, RadarTeacher, rotated  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from published.clips import face_clips  # noqa: E402
from published.load import NAMES, load, peak_rate, weights_folder  # noqa: E402

TRUTH = 75.4
"""Heart rate of the real clip, by its contact sensor's spectrum."""
CARD = {
    "name": "rpm-test", "title": "A test", "paper": "None", "licence": "Apache-2.0", "limits": "A test.",
    "provenance": "own", "view": {"kind": "crop", "size": 32, "rate_hz": 30.0}, "window_s": 2.0, "hop_s": 1.0,
    "min_s": 1.0,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("one_thread")


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def clips(batch=2, count=17, size=32, seed=0):
    """Noise on a face-coloured patch."""
    made = torch.Generator().manual_seed(seed)
    skin = torch.tensor([170.0, 125.0, 105.0]).reshape(1, 3, 1, 1, 1)
    return (skin + 8 * torch.randn(batch, 3, count, size, size, generator=made)).clamp(0, 255)


def student(seed=0, **asked):
    torch.manual_seed(seed)
    return FactorizePhys(**{"padded": True} | asked).eval()


def checkpoint(data_set):
    folder = weights_folder()
    path = folder and folder / "factorizephys" / f"{data_set}_FactorizePhys_FSAM_Res.pth"
    if path is None or not path.is_file():
        pytest.skip("published weights are not on this machine; set PERFUSE_WEIGHTS to their folder")
    return path


# the student


def test_student_has_as_many_parameters_as_the_release_without_its_dead_head():
    assert parameters(FactorizePhys()) == 52_169 == 78_305 - 26_136


@pytest.mark.parametrize(("size", "asked"), [(72, {}), (71, {}), (32, {"padded": True}), (9, {"padded": True})])
def test_one_answer_a_step_and_one_a_frame(size, asked):
    network = student(**{"padded": False} | asked)
    clip = clips(1, 9, size)
    with torch.no_grad():
        assert network(clip).shape == (1, 8)
        answer = Student({"pulse": network})(clip)["pulse"]
    assert answer.shape == (1, 9)
    assert torch.isfinite(answer).all()


@pytest.mark.parametrize("attend", [True, False])
def test_a_clip_is_read_alone(attend):
    network, clip = student(attend=attend), clips(3)
    clip[1] = 255 - clip[1]
    with torch.no_grad():
        together = network(clip)
        for k in range(3):
            np.testing.assert_allclose(network(clip[k : k + 1])[0], together[k], atol=2e-5)


def test_the_releases_attention_mixes_clips():
    network, clip = student(alone=False), clips(3)
    clip[1] = 255 - clip[1]
    same = student(alone=True)
    with torch.no_grad():
        assert torch.equal(network(clip[:1]), same(clip[:1]))
        assert (network(clip) - same(clip)).abs().max() > 1e-4


def test_colours_may_come_as_in_the_release():
    clip = clips()
    with torch.no_grad():
        assert torch.equal(student(reverse=True)(clip), student()(clip.flip(1)))
        # differences are normalised: only the small number beside the spread knows the unit
        apart = (student(level=255.0)(clip) - student()(clip)).abs().max()
        assert 0 < apart < 0.2 * student()(clip).std()
        np.testing.assert_allclose(student()(2 * clip), student()(clip), atol=1e-4)


def test_dropout_is_for_training():
    network, clip = student(), clips()
    with torch.no_grad():
        assert torch.equal(network(clip), network(clip))
        network.train()
        assert not torch.equal(network(clip), network(clip))


def test_everything_learns():
    network = student().train()
    network(clips()).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


@pytest.mark.parametrize("shape", [(1, 3, 9, 70, 72), (1, 3, 1, 72, 72), (1, 1, 9, 72, 72), (3, 9, 72, 72)])
def test_clips_that_do_not_fit_are_refused(shape):
    with pytest.raises(UsageError, match="padded"):
        student(padded=False)(torch.zeros(shape))


def test_factors_are_held_fixed_forward_and_backward():
    torch.manual_seed(0)
    matrix, along = (torch.rand(2, 7, 9, dtype=torch.float64) + 0.1 for _ in range(2))
    # one row is found anew from the column that the updates ended with; that is all derivatives see
    value, slope = torch.func.jvp(rank_one, (matrix,), (along,))
    start = rank_one(matrix)
    column = start[:, :, :1]
    wanted = column @ (column.transpose(1, 2) @ along) / (column**2).sum(1, keepdim=True)
    assert torch.equal(value, start)
    np.testing.assert_allclose(slope, wanted, atol=1e-5)
    matrix.requires_grad_()
    (back,) = torch.autograd.grad((rank_one(matrix) * along).sum(), matrix)
    np.testing.assert_allclose((back * along).sum(), (slope * along).sum(), rtol=1e-9)
    assert not rank_one(torch.zeros(1, 4, 5)).any()


@pytest.mark.slow
@pytest.mark.parametrize("attend", [True, False])
def test_student_becomes_a_bundle(tmp_path, attend):
    worst = export(Student({"pulse": student(attend=attend)}), CARD, tmp_path)
    assert worst < 1e-4
    assert load_bundle(tmp_path).card.name == "rpm-test"


# published weights


@pytest.mark.parametrize("data_set", ["PURE", "UBFC-rPPG"])
def test_published_weights_fill_the_student(data_set):
    network = load_factorizephys(checkpoint(data_set))
    assert not network.training
    assert not network.attend
    assert network.attention.shift.item() == 1.0
    given = read_weights(checkpoint(data_set), "")
    assert sum(value.numel() for value in given.values()) == parameters(network) - 1
    total = sum(float(value.double().square().sum()) for value in given.values())
    assert total + 1 == pytest.approx(sum(float(p.detach().double().square().sum()) for p in network.parameters()))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("factorizephys")])
def test_student_says_what_the_network_under_test_says(name):
    data_set = {"factorizephys-pure": "PURE", "factorizephys-ubfc": "UBFC-rPPG"}[name]
    network = Student({"pulse": load_factorizephys(checkpoint(data_set))})
    other, clip = load(name).network, clips(1, 12, SIZE)
    with torch.inference_mode():
        np.testing.assert_allclose(network(clip)["pulse"], other(clip), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("data_set", "attend"), [("PURE", False), ("UBFC-rPPG", False), ("UBFC-rPPG", True)])
def test_a_real_face_is_read(data_set, attend, shared_data):
    network = Student({"pulse": load_factorizephys(checkpoint(data_set), attend=attend)})
    folder = shared_data / "face"
    frames = face_clips(folder / "sample_1.mp4", [(SIZE, 1.8)])[SIZE, 1.8]
    clip = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, 3, 0), np.float32))[None]
    said = []
    with torch.inference_mode():
        for start in range(0, clip.shape[2] - FRAMES + 1, FRAMES):
            part = network(clip[:, :, start : start + FRAMES])["pulse"][0].double().numpy()
            said.append((part - part.mean()) / part.std())
    wave = bandpass(np.concatenate(said), 30.0, 0.6, 3.3, order=1)
    assert peak_rate(wave / wave.std(), 30.0) == pytest.approx(TRUTH, abs=3.0)
    with (folder / "sample_1.csv").open() as file:
        contact = np.array([float(line["ppg"]) for line in csv.DictReader(file)])
    contact = bandpass(contact, 30.0, 0.6, 3.3, order=1)[: len(wave)]
    inner = slice(20, len(wave) - 20)
    assert max(np.corrcoef(wave[inner], np.roll(contact, lag)[inner])[0, 1] for lag in range(-6, 7)) > 0.4


def published_state():
    """Weights under the names that the rPPG-Toolbox's checkpoints use."""
    layers = {
        **{
            f"rppg_feature_extractor.FeatureExtractor.{k + (k > 2)}.conv_block_3d.0": f"features.{k}"
            for k in range(6)
        },
        **{f"rppg_head.conv_block.{k}.conv_block_3d.0": f"head.{k}" for k in range(3)},
        **{f"rppg_head.final_layer.{k}{'.conv_block_3d.0' * (k < 2)}": f"pulse.{k}" for k in range(3)},
        "rppg_head.fsam.pre_conv_block.0": "attention.enter",
        "rppg_head.fsam.post_conv_block.0.conv": "attention.middle",
        "rppg_head.fsam.post_conv_block.1": "attention.leave",
    }
    ours = FactorizePhys().state_dict()
    state = {f"{theirs}.weight": ours[f"{name}.weight"] for theirs, name in layers.items()}
    return state | {"rppg_head.fsam.pre_conv_block.0.bias": ours["attention.enter.bias"]}


def test_other_files_are_refused(tmp_path):
    with pytest.raises(SourceError, match="no file"):
        load_factorizephys(tmp_path / "nothing.pth")
    (tmp_path / "noise.pth").write_bytes(b"no weights")
    with pytest.raises(SourceError, match="cannot be read"):
        load_factorizephys(tmp_path / "noise.pth")
    torch.save({"state_dict": {"a": 1}}, tmp_path / "number.pth")
    with pytest.raises(SourceError, match="no named weights"):
        load_factorizephys(tmp_path / "number.pth")
    state = published_state()
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "whole.pth")
    network = load_factorizephys(tmp_path / "whole.pth")
    filled = network.state_dict()
    assert all(torch.equal(value, filled[renamed(name)]) for name, value in state.items())
    torch.save(
        {name: value for name, value in state.items() if "rppg_head.conv_block.0" not in name}, tmp_path / "part.pth"
    )
    with pytest.raises(SourceError, match=r"lack head\.0\.weight"):
        load_factorizephys(tmp_path / "part.pth")
    torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(SourceError, match="hold extra"):
        load_factorizephys(tmp_path / "more.pth")
    torch.save(state | {"rppg_head.final_layer.2.weight": torch.zeros(2, 8, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(SourceError, match="another FactorizePhys"):
        load_factorizephys(tmp_path / "other.pth")


# the radar teacher


def test_teachers_are_counted():
    assert parameters(RadarTeacher()) == 9_786_401
    assert parameters(RadarTeacher(SMALL)) == 73_457
    assert set(TEACHERS.values()) == {RadarTeacher.__init__.__defaults__[0], SMALL}


def test_radar_of_any_length_gives_a_pulse_of_the_same():
    torch.manual_seed(0)
    teacher = RadarTeacher(SMALL).eval()
    radar = torch.randn(2, 10, 71)
    pulse, tap = teacher.features(radar)
    assert pulse.shape == (2, 71)
    assert tap.shape == (2, 16, 71)
    assert torch.equal(teacher(radar), pulse)
    # nothing is pooled: what comes later moves what is said later, and nothing far before
    reach = 3 * (2 * len(SMALL) - 1)
    later = radar.clone()
    later[:, :, 60:] += 1
    changed = (teacher(later) - pulse).abs().amax(0) > 1e-7
    assert changed[60:].any()
    assert not changed[: 60 - reach].any()


def test_a_frozen_teacher_stays_as_it_is():
    torch.manual_seed(0)
    teacher = Frozen(RadarTeacher(SMALL))
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    teacher.train()
    radar = torch.randn(4, 10, 64, requires_grad=True)
    answer = teacher(radar)
    assert not answer.requires_grad
    assert torch.equal(answer, teacher(radar))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_turning_keeps_power_and_can_be_undone():
    torch.manual_seed(0)
    radar, angle = torch.randn(3, 10, 20), torch.tensor([0.3, 2.0, -1.0])
    kept = radar.clone()
    turned = rotated(radar, angle)
    assert torch.equal(radar, kept)
    wanted = (radar[:, :5] + 1j * radar[:, 5:]) * torch.exp(1j * angle)[:, None, None]
    np.testing.assert_allclose(torch.complex(turned[:, :5], turned[:, 5:]), wanted, atol=1e-6)
    np.testing.assert_allclose(rotated(turned, -angle), radar, atol=1e-6)
    np.testing.assert_allclose(rotated(radar, angle[0])[1], rotated(radar, angle[:1].expand(3))[1], atol=1e-6)


def test_teachers_and_radar_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="widths"):
        RadarTeacher((8,))
    with pytest.raises(UsageError, match="even"):
        RadarTeacher(SMALL, 9)
    with pytest.raises(UsageError, match="I before Q"):
        RadarTeacher(SMALL)(torch.zeros(1, 4, 30))


# the policy


def test_policies_are_counted():
    assert parameters(Policy()) == 71_748
    assert parameters(Policy(coefficients=True)) == 72_276


@pytest.mark.parametrize("bins", [7, 13, 19])
def test_advice_is_a_gate_and_shares(bins):
    torch.manual_seed(0)
    advice = Policy().eval()(3 * torch.randn(40, 3, bins))
    assert advice.gate.shape == (40,)
    assert advice.mix.shape == (40, 3)
    assert ((advice.gate > 0.3) & (advice.gate < 0.7)).all()
    assert ((advice.mix > 0.15) & (advice.mix < 0.6)).all()
    np.testing.assert_allclose(advice.mix.sum(1).detach(), 1, atol=1e-6)
    np.testing.assert_allclose(advice.weights.sum(1).detach(), advice.gate.detach(), atol=1e-6)


def test_advice_of_a_clip_is_its_own():
    torch.manual_seed(0)
    policy, relation = Policy().eval(), torch.randn(5, 3, 19)
    whole, one = policy(relation).weights, policy(relation[2:3]).weights
    np.testing.assert_allclose(one[0].detach(), whole[2].detach(), atol=1e-6)


def test_the_releases_second_attention_learns_nothing():
    torch.manual_seed(0)
    policy = Policy(coefficients=True)
    (policy(torch.randn(4, 3, 19)).weights * torch.randn(4, 3)).sum().backward()
    grads = {name: float(p.grad.abs().max()) for name, p in policy.named_parameters()}
    dead = {name for name, size in grads.items() if size < 1e-7}
    assert dead == {"coefficients.weight", "coefficients.bias", "bases.bias"}
    torch.manual_seed(0)
    policy = Policy()
    (policy(torch.randn(4, 3, 19)).weights * torch.randn(4, 3)).sum().backward()
    assert all(p.grad.abs().max() > 1e-7 for p in policy.parameters())


def test_a_student_is_advised_without_chance_unless_asked():
    torch.manual_seed(0)
    policy, relation = Policy().train(), torch.randn(6, 3, 19)
    first, again = advised(policy, relation), advised(policy, relation)
    assert policy.training
    assert torch.equal(first.weights, again.weights)
    assert not first.weights.requires_grad
    assert not torch.equal(advised(policy, relation, dropout=True).weights, first.weights)
    assert torch.equal(first.weights, policy.eval()(relation).weights)
    assert not policy.training


def test_policies_and_relations_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="multiple of 8"):
        Policy(width=20)
    with pytest.raises(UsageError, match="shape"):
        Policy()(torch.zeros(2, 19))
