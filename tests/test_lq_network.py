"""LQ-rPPG's network, its stems, and the weights that its authors published; and RhythmMamba beside it."""

import csv
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.core.view import Crop, Grid  # noqa: E402
from perfuse.papers.lq_rppg.imported import import_published  # noqa: E402
from perfuse.papers.lq_rppg.model import C2F, FRAMES, MIXERS, soft_levels  # noqa: E402
from perfuse.papers.lq_rppg.stem import STEMS, view_of  # noqa: E402
from perfuse.papers.zoo.rhythm_mamba import RhythmMamba  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from published.clips import face_clips  # noqa: E402
from published.load import Published, load, plain, read_rate, standard, weights_folder  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"paper": 16, "slim": 16, "lite": 12, "grid": 5}
STEM_SIZES = {"paper": 95_560, "slim": 19_208, "lite": 4_264, "grid": 2_112}
MIXER_SIZES = {"mamba": 65_408, "gru": 18_944, "conv": 17_344}
REST = 10_240 + 4 * (65 + 128) + 37_056 + 193
"""Positions, heads and feeds of four stages, and the estimator."""
TRUTH = 75.4
"""Heart rate of the real clip, by its contact sensor's spectrum."""


def count(net):
    return sum(p.numel() for p in net.parameters())


def clips(batch=2, frames=12, size=16, seed=0):
    made = torch.Generator().manual_seed(seed)
    skin = torch.tensor([170.0, 125.0, 105.0]).reshape(1, 3, 1, 1, 1)
    return (skin + 8 * torch.randn(batch, 3, frames, size, size, generator=made)).clamp(0, 255)


def network(stem="grid", mixer="mamba", *, seed=0, **options):
    """A network that answers with something, and has statistics of its own."""
    torch.manual_seed(seed)
    net = C2F(stem, mixer, **{"d_state": 4, **options})
    for part in net.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = 1.0
    with torch.no_grad():
        net.position.normal_(std=0.3)
        net(clips(size=SMALL[stem], seed=7))
    return net.eval()


# --- the network


def test_parameters_to_the_digit():
    net = C2F()
    assert count(net) == 405_453
    assert count(net.stem) == 95_560 == 1_200 + 4_728 + 2 * 6_320 + 76_992
    assert [count(stage) for stage in net.stages] == [65_408] * 4
    assert count(net.estimator) == 37_056 + 193
    assert [count(part) for part in (*net.heads, *net.feeds)] == [65] * 4 + [128] * 4
    assert net.position.numel() == 10_240


def test_every_stem_and_mixer_is_counted():
    assert set(STEM_SIZES) == set(STEMS) == set(SMALL)
    assert set(MIXER_SIZES) == set(MIXERS)
    for stem, size in STEM_SIZES.items():
        assert count(C2F(stem, "conv")) == size + 4 * MIXER_SIZES["conv"] + REST
    for mixer, size in MIXER_SIZES.items():
        assert count(C2F("grid", mixer)) == STEM_SIZES["grid"] + 4 * size + REST


def test_stems_cost_what_they_say():
    from torch.utils.flop_counter import FlopCounterMode

    wanted = {"paper": 56_590_336, "slim": 5_312_512, "lite": 576_720, "grid": 147_744}
    for name, stem in STEMS.items():
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            stem.make(64)(clips(1, 4, stem.size))
        assert counted.get_total_flops() / 2 / 4 == wanted[name]


@pytest.mark.parametrize("stem", STEMS)
def test_stems_see_two_frames_and_one_more(stem):
    """Differences reach two frames to either side, the last convolution one more: but for the clip's own spread."""
    net = network(stem).stem
    clip = clips(1, 15, SMALL[stem])
    with torch.no_grad():
        mean = clip.mean((0, 2, 3, 4), keepdim=True).mean(1, keepdim=True)
        other = clip.clone()
        other[:, :, 7] = 2 * mean - other[:, :, 7]  # mirrored about the mean: the clip's mean and spread nearly stay
        moved = (net(other) - net(clip)).abs().amax((0, 2))
    near = moved[4:11]
    far = torch.cat([moved[:4], moved[11:]])
    assert near.min() > 10 * far.max()


@pytest.mark.parametrize("stem", STEMS)
def test_batch_mates_and_light_do_not_matter(stem):
    net, clip = network(stem), clips(3, 12, SMALL[stem])
    with torch.no_grad():
        whole = net(clip)["pulse"]
        assert whole.shape == (3, 12)
        assert torch.allclose(whole.mean(1), torch.zeros(3), atol=1e-5)
        assert torch.allclose(whole.square().mean(1), torch.ones(3), atol=1e-4)
        changed = torch.cat([clip[:1], clips(2, 12, SMALL[stem], seed=3)])
        other = net(changed)["pulse"]
        assert torch.allclose(other[0], whole[0], atol=1e-4)
        assert not torch.allclose(other[1], whole[1], atol=1e-2)
        assert torch.allclose(net(1.05 * clip)["pulse"], whole, atol=1e-2)
        for level in (0.0, 127.0):
            assert torch.isfinite(net(torch.full((1, 3, 8, 16, 16), level))["pulse"]).all()


@pytest.mark.parametrize("n_bits", range(1, 7))
def test_a_stage_for_every_coarser_level(n_bits):
    net = network(n_bits=n_bits)
    assert len(net.stages) == n_bits - 1
    assert [len(book) for book in net.codebooks] == [2**n for n in range(1, n_bits + 1)]
    numbers, waves = net.levels(clips(2, 9, 5))
    assert len(numbers) == len(waves) == n_bits
    for number, wave, book in zip(numbers, waves, net.codebooks, strict=True):
        assert number.shape == wave.shape == (2, 9)
        assert torch.equal(wave, soft_levels(number, book))
        assert (wave >= book[0]).all()
        assert (wave <= book[-1]).all()


def test_what_was_told_is_fed_back_after_every_stage():
    """The first feed is added after each of the four stages: with stages that say nothing it comes four times."""
    net = network()
    told = []
    net.estimator.register_forward_pre_hook(lambda module, inputs: told.append(inputs[0]))
    with torch.no_grad():
        for stage in net.stages:
            stage.mix.leave.weight.zero_()
        for k, feed in enumerate(net.feeds):
            feed.weight.zero_()
            feed.bias.fill_(10.0**k)
        net(clips(1, 6, 5))
        first = told[-1]
        for feed in net.feeds:
            feed.bias.zero_()
        net(clips(1, 6, 5))
    assert torch.allclose(first - told[-1], torch.full_like(first, 4 + 30 + 200 + 1000), atol=1e-2)


def test_positions_stretch():
    net = network(frames=12)
    with torch.no_grad():
        net.position.copy_(torch.linspace(-1, 1, 12)[None, :, None].expand_as(net.position))
        seen = []
        net.stages[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        clip = clips(1, 24, 5)
        net(clip)
        place = seen[-1] - net.stem(clip)
        assert torch.allclose(place[0, :, 0], place[0, :, 5], atol=1e-6)
        assert (place[0, 1:, 0] >= place[0, :-1, 0] - 1e-6).all()
        assert place.abs().max().item() == pytest.approx(1.0, abs=1e-5)
        net(clip[:, :, :12])
        assert torch.equal(seen[-1], net.stem(clip[:, :, :12]) + net.position)


def test_codebooks_are_checked():
    net = C2F("grid", "conv", n_bits=2)
    books = [torch.tensor([-0.7, 1.1]), torch.tensor([-1.3, -0.6, 0.2, 1.4])]
    net.set_codebooks(books)
    assert all(torch.equal(one, other) for one, other in zip(net.codebooks, books, strict=True))
    assert {"levels1", "levels2"} <= set(net.state_dict())
    for wrong, words in (
        (books[:1], "1 codebooks"),
        ([books[0], books[0]], r"2 bits has the shape \(2,\)"),
        ([books[0].flip(0), books[1]], "1 bits is not in order"),
        ([torch.tensor([0.0, torch.nan]), books[1]], "1 bits is not in order"),
    ):
        with pytest.raises(UsageError, match=words):
            net.set_codebooks(wrong)
        assert torch.equal(net.codebooks[0], books[0])


def test_soft_levels_shrink_as_published():
    """The dossier's numbers for the codebook of four bits that was learnt on PURE."""
    four = [-1.49, -1.14, -0.84, -0.61, -0.44, -0.31, -0.21, -0.11, -0.01, 0.11, 0.25, 0.44, 0.68, 1.0, 1.4, 1.83]
    said = soft_levels(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]), torch.tensor(four))
    assert said.tolist() == pytest.approx([-0.59, -0.43, -0.03, 0.45, 0.82], abs=0.011)


@pytest.mark.parametrize("mixer", MIXERS)
def test_losses_reach_every_weight(mixer):
    net = network(mixer=mixer).train()
    numbers, waves = net.levels(clips(2, 10, 5))
    # heads and feeds see their own level; the last level sees all
    (sum(n.square().sum() for n in numbers) + (net(clips(2, 10, 5))["pulse"] * waves[-1]).sum()).backward()
    for key, p in net.named_parameters():
        assert p.grad is not None, key
        assert torch.isfinite(p.grad).all(), key


def test_views_and_errors_in_words():
    assert view_of("paper") == Crop(128)
    assert view_of("lite", 48, 25.0) == Crop(48, 25.0)
    assert view_of("grid") == Grid(9, 9)
    assert FRAMES == 160
    for call, words in (
        (lambda: view_of("slimm"), r"no stem 'slimm'.*'slim'"),
        (lambda: view_of("paper", 4), r"4 pixels.*8 or more"),
        (lambda: C2F("grid", "gry"), r"no mixer 'gry'.*'gru'"),
        (lambda: C2F("grid", n_bits=7), r"7 bits.*1 to 6"),
        (lambda: network()(torch.zeros(2, 4, 8, 5, 5)), r"\(2, 4, 8, 5, 5\)"),
    ):
        with pytest.raises(UsageError, match=words):
            call()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "mixer"), [("paper", "conv"), ("slim", "gru"), ("lite", "mamba"), ("grid", "mamba")]
)
def test_exported(tmp_path, stem, mixer):
    pytest.importorskip("onnxscript")
    from perfuse.export.bundle import export
    from perfuse.methods.student import load_bundle

    size = SMALL[stem]
    view = {"kind": "grid", "rows": size, "cols": size} if stem == "grid" else {"kind": "crop", "size": size}
    card = {
        "name": "lq-test", "title": "t", "paper": "p", "licence": "l", "provenance": "paper", "limits": "l",
        "view": view | {"rate_hz": 30.0}, "window_s": 2.0, "hop_s": 1.0, "min_s": 1.0,
    }  # fmt: skip
    assert export(network(stem, mixer, n_bits=2), card, tmp_path / "b") < 1e-4
    assert load_bundle(tmp_path / "b").card.name == "lq-test"


# --- published weights

SET = "PURE_UBFC_LQC2F"


def theirs(net):
    """The network's weights as the release names them."""
    own = {key: value for key, value in net.state_dict().items() if not key.startswith("levels")}
    out = {"position_embedding": own.pop("position")}
    plain_names = {
        "stem.fusion.looks": "Fusion_Stem.stem11",
        "stem.fusion.change": "Fusion_Stem.stem12",
        "stem.fusion.both": "Fusion_Stem.stem21",
        "stem.fusion.alone": "Fusion_Stem.stem22",
        "stem.volume": "stem3",
        "estimator.5": "rppg_predictor.last_conv",
        "estimator": "rppg_predictor.time_feature_extractor",
    }
    for k in range(4):
        plain_names |= {f"heads.{k}": f"mamba{k + 1}_token_head", f"feeds.{k}": f"mamba{k + 1}_scalar_projection"}
        plain_names |= {f"stages.{k}.norm": f"mamba_{k + 1}.0.x_norm"}
        there = f"mamba_{k + 1}.0.mamba"
        plain_names |= {f"stages.{k}.mix.enter": f"{there}.in_proj", f"stages.{k}.mix.leave": f"{there}.out_proj"}
        part = {key: own.pop(f"stages.{k}.mix.{key}") for key in ("near.weight", "near.bias", "told", "pace")}
        part |= {key: own.pop(f"stages.{k}.mix.{key}") for key in ("pace_bias", "log_decay", "skip")}
        for g, b in enumerate(("", "_b")):
            mine = slice(128 * g, 128 * (g + 1))
            out[f"{there}.conv1d{b}.weight"] = part["near.weight"][mine]
            out[f"{there}.conv1d{b}.bias"] = part["near.bias"][mine]
            out[f"{there}.x_proj{b}.weight"] = part["told"][g]
            out[f"{there}.dt_proj{b}.weight"] = part["pace"][g]
            out[f"{there}.dt_proj{b}.bias"] = part["pace_bias"][g]
            out[f"{there}.A{b}_log"] = part["log_decay"][g]
            out[f"{there}.D{b}"] = part["skip"][g]
    for key, value in own.items():
        start = next(name for name in plain_names if key.startswith(f"{name}."))
        out[plain_names[start] + key.removeprefix(start)] = value
    return {key: value.clone() for key, value in out.items()}


def publish(folder, name=SET, seed=0, prefix="module."):
    """Write a set as the release does; return the network."""
    torch.manual_seed(seed)
    net = C2F()
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if value.is_floating_point() and "running_var" not in key:
                value.copy_(torch.randn(value.shape) * 0.1)
    folder.mkdir(exist_ok=True)
    state = {prefix + key: value for key, value in theirs(net).items()}
    torch.save({"C2F_model": state}, folder / f"{name}_rPPG_Epoch10.pth")
    books = [torch.randn(2**bits) for bits in range(1, 6)]
    for bits, book in enumerate(books, start=1):
        levels = {f"{prefix}quantizer.embeddings.weight": book[:, None], f"{prefix}encoder.other": torch.zeros(1)}
        torch.save(levels, folder / f"{name}_{bits}th_LQ_Epoch{bits}.pth")
    net.set_codebooks([book.sort().values for book in books])
    return net.eval()


def same(one, other):
    mine, yours = one.state_dict(), other.state_dict()
    return set(mine) == set(yours) and all(torch.equal(mine[key], yours[key]) for key in mine)


@pytest.mark.parametrize("prefix", ["module.", "", "module.module."])
def test_a_set_is_read_whole(tmp_path, prefix):
    net = publish(tmp_path / "w", prefix=prefix)
    found, card = import_published(tmp_path / "w")
    assert same(found, net)
    assert not found.training
    assert card["view"] == {"kind": "crop", "size": 128, "rate_hz": 30.0}
    assert "PURE" in card["title"]


def test_which_of_several_sets(tmp_path):
    one = publish(tmp_path / "w")
    other = publish(tmp_path / "w", "COHFACE_COHFACE_LQC2F", seed=1)
    with pytest.raises(SourceError, match=r"several sets.*--member COHFACE_COHFACE or PURE_UBFC"):
        import_published(tmp_path / "w")
    assert same(import_published(tmp_path / "w", "PURE_UBFC")[0], one)
    found, card = import_published(tmp_path / "w", "cohface_cohface")
    assert same(found, other)
    assert card["view"]["rate_hz"] == 20.0
    assert card["window_s"] == 8.0
    for begin in ("PURE", "pure_ubfc_LQC2F", "P"):
        assert same(import_published(tmp_path / "w", begin)[0], one)
    publish(tmp_path / "w", "PURE_PURE_LQC2F", seed=2)
    with pytest.raises(SourceError, match="'pure' may be PURE_PURE or PURE_UBFC"):
        import_published(tmp_path / "w", "pure")
    with pytest.raises(SourceError, match=r"no set 'PURE_UBFCC'.*Did you mean 'PURE_UBFC'"):
        import_published(tmp_path / "w", "PURE_UBFCC")


def test_quantisers_are_those_of_the_name_before_augmentation(tmp_path):
    net = publish(tmp_path / "w", "PURE_MMPD_LQC2F")
    publish(tmp_path / "w", "UBFC_MMPD_LQC2F", seed=1)
    for start in ("PURE", "UBFC"):
        (tmp_path / "w" / f"{start}_MMPD_LQC2F_rPPG_Epoch10.pth").rename(
            tmp_path / "w" / f"{start}_MMPD_AUG_LQC2F_rPPG_Epoch30.pth"
        )
    assert same(import_published(tmp_path / "w", "PURE_MMPD_AUG")[0], net)
    with pytest.raises(SourceError, match="PURE_MMPD_AUG or UBFC_MMPD_AUG"):
        import_published(tmp_path / "w")


def test_levels_of_other_data_are_not_borrowed(tmp_path):
    publish(tmp_path / "w", "MMPD_MMPD_LQC2F")
    for path in sorted((tmp_path / "w").glob("*th_LQ*")):
        path.rename(path.with_name(path.name.replace("MMPD_MMPD", "V4V_V4V")))
    with pytest.raises(SourceError, match=r"MMPD_MMPD.* lacks the levels of 1 bits"):
        import_published(tmp_path / "w", "MMPD_MMPD")


NAMES = {
    "COHFACE_COHFACE_LQC2F": ("COHFACE", 20.0),
    "intra_V4V_LQC2F": ("V4V", 25.0),
    "V4V-V4V_LQC2F": ("V4V", 25.0),
    "UBFC_rPPG_PURE_LQC2F": ("UBFC", 30.0),
    "mine": ("its name does not tell", 30.0),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_tells_what_was_learnt_from(tmp_path, name):
    net = publish(tmp_path / "w", name)
    found, card = import_published(tmp_path / "w")
    assert same(found, net)
    assert NAMES[name][0] in card["title"]
    assert card["view"]["rate_hz"] == NAMES[name][1]
    assert ("are assumed" in card["limits"]) is (name == "mine")


SHAPES = {
    "model": lambda state: {"model": state, "epoch": 3},
    "net": lambda state: {"net": state},
    "beside": lambda state: {**state, "epoch": 3},
    "prefixed": lambda state: {f"model.{name}": value for name, value in state.items()},
    "counted": lambda state: {**state, "total_ops": torch.zeros(1), "stem3.total_params": torch.zeros(1)},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_checkpoints_come_in_several_shapes(tmp_path, shape):
    net = publish(tmp_path / "w")
    (tmp_path / "w" / "deep").mkdir()
    for number, path in enumerate(sorted((tmp_path / "w").glob("*.pth"))):
        state = torch.load(path, weights_only=True)
        state = next((part for part in state.values() if isinstance(part, dict)), state)
        path.unlink()
        ends = (".pth", ".pt", ".PTH", ".pth.tar")[number % 4]
        torch.save(SHAPES[shape](state), path.parent / ("deep" if number % 2 else "") / f"{path.stem}{ends}")
    assert same(import_published(tmp_path / "w")[0], net)


class Bomb:
    def __reduce__(self):
        return (open, (str(self.path), "w"))


def spoil_missing(folder):
    (folder / f"{SET}_3th_LQ_Epoch3.pth").unlink()


def spoil_network(folder):
    (folder / f"{SET}_rPPG_Epoch10.pth").unlink()


def spoil_twice(folder):
    (folder / f"{SET}_rPPG_Epoch11.pth").write_bytes(b"")


def spoil_levels(folder):
    torch.save({"quantizer.embeddings.weight": torch.zeros(4, 1)}, folder / f"{SET}_3th_LQ_Epoch3.pth")


def spoil_complex(folder):
    torch.save({"quantizer.embeddings.weight": torch.zeros(8, 1) * 1j}, folder / f"{SET}_3th_LQ_Epoch3.pth")


def spoil_sparse(folder):
    torch.save({"quantizer.embeddings.weight": torch.eye(8).to_sparse()}, folder / f"{SET}_3th_LQ_Epoch3.pth")


def spoil_whole(folder):
    torch.save({"quantizer.embeddings.weight": torch.arange(8)[:, None]}, folder / f"{SET}_3th_LQ_Epoch3.pth")


def spoil_kind(folder):
    torch.save({"encoder.weight": torch.zeros(4, 1)}, folder / f"{SET}_3th_LQ_Epoch3.pth")


def spoil_shape(folder):
    change(folder, "mamba_2.0.mamba.A_log", lambda v: v[:, :-1])


def spoil_both_shapes(folder):
    change(folder, "mamba_2.0.mamba.A_log", lambda v: v[:, :-1])
    change(folder, "mamba_2.0.mamba.A_b_log", lambda v: v[:, :-1])


def spoil_number(folder):
    change(folder, "stem3.0.bias", lambda v: v * torch.nan)


def spoil_name(folder):
    change(folder, "stem3.0.bias", lambda v: v, "stem4.0.bias")


def spoil_bytes(folder):
    (folder / f"{SET}_rPPG_Epoch10.pth").write_bytes(b"no weights at all")


def spoil_pickle(folder):
    bomb = Bomb()
    bomb.path = folder / "ran"
    with (folder / f"{SET}_2th_LQ_Epoch2.pth").open("wb") as file:
        pickle.dump({"quantizer.embeddings.weight": bomb}, file)


def spoil_archive(folder):
    bomb = Bomb()
    bomb.path = folder / "ran"
    torch.save({"C2F_model": bomb}, folder / f"{SET}_rPPG_Epoch10.pth")


def spoil_content(folder):
    torch.save({"C2F_model": {"a": 3}}, folder / f"{SET}_rPPG_Epoch10.pth")


def change(folder, key, how, name=None):
    path = folder / f"{SET}_rPPG_Epoch10.pth"
    state = torch.load(path, weights_only=True)
    part = state["C2F_model"]
    part[f"module.{name or key}"] = how(part.pop(f"module.{key}"))
    torch.save(state, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_missing, r"PURE_UBFC in .* lacks the levels of 3 bits\."),
        (spoil_network, r"PURE_UBFC in .* lacks the network\."),
        (spoil_twice, "are the same part of one set"),
        (spoil_levels, r"3th_LQ_Epoch3.pth holds levels of the shape \(4, 1\).*, not \(8, 1\)"),
        (spoil_kind, "is no quantiser"),
        (spoil_complex, "something else than plain numbers, in quantizer"),
        (spoil_sparse, "something else than plain numbers, in quantizer"),
        (spoil_whole, r"torch.int64, not \(8, 1\) of float"),
        (spoil_shape, r"lack stages.1.mix.log_decay"),
        (spoil_both_shapes, r"another LQ-rPPG: stages.1.mix.log_decay is \(2, 128, 47\), not \(2, 128, 48\)"),
        (spoil_number, "not finite, in stem3.0.bias"),
        (spoil_name, "lack stem.volume.0.bias"),
        (spoil_bytes, "cannot be read"),
        (spoil_pickle, "might run code"),
        (spoil_archive, "might run code"),
        (spoil_content, "no named weights"),
    ],
)
def test_what_is_not_as_published_is_refused_in_words(tmp_path, spoil, words):
    publish(tmp_path / "w")
    spoil(tmp_path / "w")
    with pytest.raises(SourceError, match=words):
        import_published(tmp_path / "w")
    assert not (tmp_path / "w" / "ran").exists()


def test_folders_without_weights(tmp_path):
    with pytest.raises(SourceError, match="no folder"):
        import_published(tmp_path / "none")
    (tmp_path / "PURE_UBFC_LQC2F_rPPG_Epoch10.pth").write_bytes(b"")
    with pytest.raises(SourceError, match="is one file of a set"):
        import_published(tmp_path / "PURE_UBFC_LQC2F_rPPG_Epoch10.pth")
    (tmp_path / "PURE_UBFC_LQC2F_rPPG_Epoch10.pth").unlink()
    with pytest.raises(SourceError, match="no published LQ-rPPG weights"):
        import_published(tmp_path)


@pytest.fixture(scope="module")
def released():
    folder = weights_folder()
    if folder is None or not (folder / "lq_rppg").is_dir():
        pytest.skip("published weights are not on this machine; set PERFUSE_WEIGHTS to their folder")
    return import_published(folder / "lq_rppg", "PURE_UBFC")[0]


def test_released_codebooks(released):
    books = [[round(v, 2) for v in book.tolist()] for book in released.codebooks]
    assert books[0] == pytest.approx([-0.67, 1.09])
    assert books[1] == pytest.approx([-1.32, -0.57, 0.24, 1.35])
    assert (books[4][0], books[4][-1]) == pytest.approx((-3.38, 3.17))
    said = soft_levels(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]), released.codebooks[4])
    assert said.tolist() == pytest.approx([-1.59, -0.80, -0.04, 0.67, 1.40], abs=0.006)


@pytest.mark.slow
def test_agrees_with_another_reading_of_the_same_weights(released):
    """The tests' own rewrite runs the recurrence sample by sample, and keeps the codebooks in no order."""
    clip = clips(1, FRAMES, 32)
    with torch.no_grad():
        wanted = load("lq-rppg-pure", weights_folder()).network(standard(clip[0])[None])
        assert (released.levels(clip)[1][-1] - wanted).abs().max() < 1e-5


def ellipse(heart_rate, frames=FRAMES, size=128, seed=0):
    """The dossier's face: 1.5 levels of green under noise of one level."""
    rng = np.random.default_rng(seed)
    pulse = np.sin(2 * np.pi * heart_rate / 60 * np.arange(frames) / 30)
    y, x = np.mgrid[:size, :size] / size - 0.5
    face = ((x / 0.33) ** 2 + (y / 0.42) ** 2 < 1)[:, :, None]
    skin = np.where(face, (170.0, 125.0, 105.0), (70.0, 75.0, 80.0))
    beat = face * np.array([0.3, 1.0, 0.5]) * 1.5
    pictures = skin - beat * pulse[:, None, None, None] + rng.normal(size=(frames, size, size, 3))
    return torch.from_numpy(np.moveaxis(np.clip(np.rint(pictures), 0, 255), 3, 0).astype(np.float32)), pulse


def best_r(wave, truth, reach=6):
    """Largest correlation at lags of up to 0.2 s: the sign is part of the answer."""
    inner = slice(reach + 15, len(wave) - reach - 15)
    return max(np.corrcoef(wave[inner], np.roll(truth, lag)[inner])[0, 1] for lag in range(-reach, reach + 1))


@pytest.mark.slow
@pytest.mark.parametrize("heart_rate", [54, 72, 96, 126])
def test_released_weights_read_a_synthetic_face_exactly(released, heart_rate):
    clip, pulse = ellipse(heart_rate)
    with torch.no_grad():
        wave = released(clip[None])["pulse"][0].double().numpy()
    rates = np.arange(45, 150)
    turn = np.exp(-2j * np.pi * rates[:, None] / 60 * np.arange(FRAMES) / 30)
    assert rates[np.abs(turn @ (wave * np.hanning(FRAMES))).argmax()] == heart_rate
    assert best_r(wave, pulse) > 0.85


@pytest.mark.slow
def test_released_weights_read_a_real_face(released, shared_data):
    folder = shared_data / "face"
    frames = face_clips(folder / "sample_1.mp4", [(128, 1.2)])[128, 1.2]

    class Pulse(torch.nn.Module):
        def forward(self, clip):
            return released(clip)["pulse"]

    how = Published("lq", Pulse(), 128, 1.2, FRAMES, plain, False, 30.0, "PURE")
    wave, rate = read_rate(how, frames)
    assert rate == pytest.approx(TRUTH, abs=3.0)
    with (folder / "sample_1.csv").open() as file:
        contact = np.array([float(line["ppg"]) for line in csv.DictReader(file)])
    assert best_r(wave, bandpass(contact, 30.0, 0.6, 3.3, order=1)[: len(wave)]) > 0.4


# --- RhythmMamba


def test_rhythm_mamba_has_its_true_size():
    assert count(RhythmMamba()) == 4_922_125


def test_rhythm_mamba_learns():
    torch.manual_seed(0)
    net = RhythmMamba(depth=2, width=16)
    pulse = net(clips(2, 17, 16))["pulse"]
    assert pulse.shape == (2, 17)
    pulse.square().mean().backward()
    for key, p in net.named_parameters():
        assert p.grad is not None, key
        assert p.grad.any() or key.endswith("after.bias") or "fusion" in key, key
    with pytest.raises(UsageError, match="8 or more"):
        net(clips(1, 7, 16))


def test_rhythm_mamba_averages_what_copies_say_of_each_quarter():
    """With a mixer that counts the samples since its copy began, quarter k is the mean of k + 1 counts."""
    block = RhythmMamba(depth=1, width=16).blocks[0]

    class Since(torch.nn.Module):
        def forward(self, tokens):
            return torch.arange(tokens.shape[1], dtype=tokens.dtype)[None, :, None].expand_as(tokens)

    block.mix = Since()
    said = block._several(torch.zeros(2, 13, 16))[0, :, 0]
    wanted = [0, 1, 2, *(np.mean([3, 0]) + np.arange(3)), *(3 + np.arange(3)), *(4.5 + np.arange(3)), 12]
    assert said.tolist() == pytest.approx(wanted)
