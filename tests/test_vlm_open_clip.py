"""open_clip's models as teachers: the library itself where it can be imported, else a stand-in with the same calls.

open_clip needs a torchvision built for the torch beside it, which a CPU build from the usual index does not have. The
stand-in shows that the right calls are made in the right order; the same tests passed with open_clip 3.3.0 itself
(2026-11-23, by hand, its transforms of pictures left out).
"""

import importlib
import json
import sys
import types
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

from perfuse.core.errors import MissingExtraError, SourceError, UsageError  # noqa: E402
from perfuse.papers.physvlm import hub, lowrank, openclip  # noqa: E402
from perfuse.papers.physvlm.adapt import Example, Learner, adapt  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps, picture  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


class Block(nn.Module):
    """One of the blocks of pictures of the stand-in."""

    def __init__(self, width):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x):
        return x + self.attn(x, x, x, need_weights=False)[0]


class StandIn(nn.Module):
    """Has what open_clip's CLIP has, as far as a teacher needs it."""

    def __init__(self, embed_dim, vision_cfg, text_cfg):
        super().__init__()
        width = vision_cfg["width"]
        visual = nn.Module()
        visual.image_size = (vision_cfg["image_size"], vision_cfg["image_size"])
        visual.conv1 = nn.Conv2d(3, width, vision_cfg["patch_size"], vision_cfg["patch_size"], bias=False)
        visual.transformer = nn.Module()
        visual.transformer.resblocks = nn.ModuleList([Block(width) for _ in range(vision_cfg["layers"])])
        visual.proj = nn.Parameter(torch.randn(width, embed_dim) / width**0.5)
        self.visual = visual
        self.token_embedding = nn.Embedding(text_cfg["vocab_size"], text_cfg["width"])
        self.text_projection = nn.Parameter(torch.randn(text_cfg["width"], embed_dim))
        self.logit_scale = nn.Parameter(torch.tensor(2.659))

    def encode_image(self, image):
        x = self.visual.conv1(image).flatten(2).transpose(1, 2)
        for block in self.visual.transformer.resblocks:
            x = block(x)
        return x.mean(1) @ self.visual.proj

    def encode_text(self, text):
        return self.token_embedding(text).mean(1) @ self.text_projection


def stand_in():
    """A module that answers as open_clip does."""

    def create_model(name, *, load_weights, pretrained_text):
        assert (load_weights, pretrained_text) == (False, False)
        folder = Path(name.removeprefix("local-dir:"))
        return StandIn(**json.loads((folder / "open_clip_config.json").read_text())["model_cfg"])

    def load_checkpoint(model, path, strict):
        assert path.endswith(".safetensors")
        return model.load_state_dict(load_file(path), strict=strict)

    def get_tokenizer(name):
        assert name.startswith("local-dir:")
        return lambda said: torch.tensor([[ord(c) for c in one[:77].ljust(77)] for one in said])

    library = types.ModuleType("open_clip")
    library.CLIP, library.create_model = StandIn, create_model
    library.load_checkpoint, library.get_tokenizer = load_checkpoint, get_tokenizer
    library.OPENAI_DATASET_MEAN, library.OPENAI_DATASET_STD = hub.LOOKS["clip"]
    return library


@pytest.fixture
def library(monkeypatch):
    try:
        return importlib.import_module("open_clip")
    except (ImportError, RuntimeError):
        monkeypatch.setitem(sys.modules, "open_clip", stand_in())
        return sys.modules["open_clip"]


@pytest.fixture
def model(library, tmp_path):
    return written(library, tmp_path / "model")


def written(library, folder, seed=0):
    torch.manual_seed(seed)
    folder.mkdir()
    save_file(library.CLIP(**CONFIG).state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    return folder


def rows(count=2):
    return picture(made_maps(count, 256, generator=torch.Generator().manual_seed(0)).clip)


@torch.no_grad()
def test_a_folder_is_a_teacher(model):
    teacher = hub.load_hub(str(model))
    assert isinstance(teacher, Learner)
    assert (teacher.kind, teacher.dim, teacher.size) == ("open_clip", 24, 32)
    assert teacher.scale == pytest.approx(1 / 0.07, rel=1e-3)
    for vectors in (teacher.encode_image(rows()), teacher.encode_text(["72 beats per minute", "a map"])):
        assert vectors.shape == (2, 24)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
        assert not torch.allclose(vectors[0], vectors[1], atol=1e-4)
    assert teacher.fingerprint() == hub.load_hub(f"open_clip:{model}").fingerprint()


def test_colours_are_those_of_its_folder(model):
    plain = hub.load_hub(str(model))
    about = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}
    (model / "open_clip_config.json").write_text(json.dumps(about))
    other = hub.load_hub(str(model))
    assert other.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    assert other.fingerprint() != plain.fingerprint()


def test_it_is_adapted_and_kept(model, library, tmp_path):
    teacher = hub.load_hub(str(model))
    base, before = teacher.fingerprint(), teacher.encode_image(rows()).detach()
    made = made_maps(4, 256, generator=torch.Generator().manual_seed(0))
    example = Example(made.clip, made.heart_rate, made.respiratory_rate)
    with pytest.raises(UsageError, match="nothing to learn with"):
        adapt(teacher, lambda _: example, steps=1, domains=["pure"])
    lowrank.grow(teacher, rank=4, alpha=12.0, blocks=1)
    assert torch.allclose(teacher.encode_image(rows()), before, atol=1e-6)  # updates begin at nothing
    whole = dict(teacher.model.visual.named_parameters())
    names = [name for name, value in whole.items() if value.requires_grad]
    assert len(names) == 3
    assert all("resblocks.1" in name or name == "proj" for name in names)
    losses = adapt(teacher, lambda _: example, steps=16, domains=["pure"], lr=1e-2, pairs=1)
    assert sum(losses[-4:]) < sum(losses[:4])
    keys = slice(32, 64)  # between queries and values, which alone learn
    block = teacher.model.visual.transformer.resblocks[1].attn
    change = block.in_proj_weight - block.parametrizations.in_proj_weight.original
    assert not change[keys].any()
    assert change[:32].any()
    assert change[64:].any()
    lowrank.save_adapted(teacher, tmp_path / "learnt.safetensors", base)
    again = lowrank.load_adapted(hub.load_hub(str(model)), tmp_path / "learnt.safetensors")
    assert again.fingerprint() == teacher.fingerprint() != base
    assert torch.allclose(again.encode_image(rows()), teacher.encode_image(rows()))
    other = hub.load_hub(str(written(library, tmp_path / "other", seed=5)))
    with pytest.raises(UsageError, match="on another model"):
        lowrank.load_adapted(other, tmp_path / "learnt.safetensors")


def test_a_pickle_beside_safetensors_is_not_opened(model):
    """open_clip by itself would take this one."""
    (model / "open_clip_model.safetensors").rename(model / "weights.safetensors")
    (model / "open_clip_pytorch_model.bin").write_bytes(b"a pickle")
    assert hub.load_hub(str(model)).dim == 24


@pytest.mark.parametrize(
    ("missing", "added", "words"),
    [
        ("*.safetensors", None, "holds no weights"),
        ("*.safetensors", "open_clip_pytorch_model.bin", "open_clip_pytorch_model.bin, a pickle"),
    ],
)
def test_folders_without_safe_weights_are_refused(model, missing, added, words):
    for path in model.glob(missing):
        path.unlink()
    if added:
        (model / added).write_bytes(b"pickled")
    with pytest.raises(SourceError, match=words):
        hub.load_hub(str(model))


def test_what_does_not_fit_is_refused(model, tmp_path):
    with pytest.raises(SourceError, match="There is no folder"):
        hub.load_hub("open_clip:./nowhere")
    with pytest.raises(SourceError, match=r"holds no open_clip_config\.json"):
        hub.load_hub(f"open_clip:{tmp_path}")
    about = {"model_cfg": {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "hf_tokenizer_name": "somebody/words"}}}
    (model / "open_clip_config.json").write_text(json.dumps(about))
    with pytest.raises(SourceError, match="holds no tokeniser"):
        hub.load_hub(str(model))
    (model / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**CONFIG, "embed_dim": 25}}))
    with pytest.raises(SourceError, match=r"weights of .* cannot be loaded"):
        hub.load_hub(str(model))
    colours = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": "grey"}}
    for about in ([], {"model_cfg": None}, colours):
        (model / "open_clip_config.json").write_text(json.dumps(about))
        with pytest.raises(SourceError, match="says no model_cfg"):
            hub.load_hub(str(model))
    (model / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": None}))
    assert hub.load_hub(str(model)).dim == 24


def test_a_name_on_the_hub_is_fetched_without_pickles_and_offline_if_asked(model, monkeypatch):
    asked = []

    def fetch(source, **how):
        asked.append((source, how))
        return str(model)

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=fetch))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.load_hub("open_clip:somebody/some-clip", revision="abc").name == "somebody/some-clip"
    ((source, how),) = asked
    assert (source, how["revision"], how["local_files_only"]) == ("somebody/some-clip", "abc", True)
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in how["allow_patterns"])


@pytest.mark.parametrize("error", [ImportError("No module named 'open_clip'"), RuntimeError("no operator nms")])
def test_a_library_that_cannot_be_imported_is_told(model, monkeypatch, error):
    def refuse(name):
        raise error

    monkeypatch.setattr(openclip, "import_module", refuse)
    with pytest.raises(MissingExtraError, match=r"open_clip cannot be used: .*perfuse\[open-clip\]"):
        hub.load_hub(str(model))
