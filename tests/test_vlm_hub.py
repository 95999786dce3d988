"""CLIP and SigLIP as teachers: loaded from folders made here, with weights that know nothing."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (pip install 'perfuse[vlm]')"
)

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.papers.physvlm import hub, lowrank, prompts  # noqa: E402
from perfuse.papers.physvlm.adapt import Example, Learner, adapt  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps, picture  # noqa: E402
from perfuse.papers.physvlm.priors import key, open_priors, words_of, write_priors  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = ["[pad]", "[unk]", "[end]", *"0123456789", *"abcdefghijklmnopqrstuvwxyz.- "]
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def written(folder, kind, seed=0):
    """A folder as save_pretrained leaves it: tiny, random, with a tokeniser of letters."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: place for place, word in enumerate(WORDS)}
    text = {**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1}
    text["eos_token_id"] = 2
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    torch.manual_seed(seed)
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model = transformers.CLIPModel(config)
    else:
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
        model = transformers.SiglipModel(config)
    model.save_pretrained(folder)
    letters = Tokenizer(models.WordLevel(vocabulary, unk_token="[unk]"))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    letters.post_processor = processors.TemplateProcessing(single="$A [end]", special_tokens=[("[end]", 2)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="[pad]", unk_token="[unk]", eos_token="[end]"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["clip", "siglip"])
def model(request, tmp_path_factory):
    return written(tmp_path_factory.mktemp("models") / request.param, request.param)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return written(tmp_path_factory.mktemp("models") / "clip", "clip")


def rows(count=2):
    return picture(made_maps(count, 256, generator=torch.Generator().manual_seed(0)).clip)


@torch.no_grad()
def test_a_folder_is_a_teacher(model, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    teacher = hub.load_hub(str(model))
    assert isinstance(teacher, Learner)
    assert teacher.dim == (24 if teacher.kind == "clip" else 32)
    images = teacher.encode_image(rows())
    texts = teacher.encode_text(["a map", "the other map, 72 beats per minute"])
    for vectors in (images, texts):
        assert vectors.shape == (2, teacher.dim)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
        assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)
    # a caption does not depend on those beside it
    assert torch.allclose(teacher.encode_text(["a map"])[0], texts[0], atol=1e-5)
    assert teacher.fingerprint() == hub.load_hub(str(model)).fingerprint()


@torch.no_grad()
def test_pictures_reach_the_model_as_it_knows_them(clip, tmp_path):
    teacher = hub.load_hub(str(clip))
    kept = {}
    forward = teacher.model.get_image_features

    def spy(pixel_values):
        kept["seen"] = pixel_values
        return forward(pixel_values=pixel_values)

    teacher.model.get_image_features = spy
    teacher.encode_image(torch.full((1, 3, 64, 256), 0.5))
    wanted = (0.5 - torch.tensor(hub.LOOKS["clip"][0])) / torch.tensor(hub.LOOKS["clip"][1])
    assert kept["seen"].shape == (1, 3, 32, 32)
    assert torch.allclose(kept["seen"][0, :, 7, 9], wanted, atol=1e-4)
    other = shutil.copytree(clip, tmp_path / "other")
    (other / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}))
    assert hub.load_hub(str(other)).fingerprint() != hub.load_hub(str(clip)).fingerprint()
    (other / "preprocessor_config.json").write_text("{}")
    with pytest.raises(SourceError, match="says no image_mean"):
        hub.load_hub(str(other))


def test_it_is_adapted_and_kept(model, tmp_path):
    teacher = hub.load_hub(str(model))
    base, before = teacher.fingerprint(), teacher.encode_image(rows()).detach()

    def example(step):
        made = made_maps(4, 256, generator=torch.Generator().manual_seed(step))
        return Example(made.clip, made.heart_rate, made.respiratory_rate)

    with pytest.raises(UsageError, match="nothing to learn with"):
        adapt(teacher, example, steps=1, domains=["pure"])
    with pytest.raises(UsageError, match="has learnt nothing"):
        lowrank.save_adapted(teacher, tmp_path / "none", base)
    lowrank.grow(teacher, rank=4, alpha=12.0, blocks=1)
    assert torch.allclose(teacher.encode_image(rows()), before, atol=1e-6)  # updates begin at nothing
    learnt = sum(p.numel() for p in teacher.learns())
    assert 0 < learnt < 0.2 * sum(p.numel() for p in teacher.model.parameters())
    losses = adapt(teacher, lambda _: example(0), steps=16, domains=["pure"], lr=1e-3, pairs=1)
    assert sum(losses[-4:]) < sum(losses[:4])  # pairs are drawn anew at every step
    assert not torch.allclose(teacher.encode_image(rows()), before, atol=1e-4)
    lowrank.save_adapted(teacher, tmp_path / "learnt.safetensors", base)
    again = lowrank.load_adapted(hub.load_hub(str(model)), tmp_path / "learnt.safetensors")
    assert again.fingerprint() == teacher.fingerprint() != base
    assert again.domains == ("pure",)
    assert torch.allclose(again.encode_image(rows()), teacher.encode_image(rows()))
    with pytest.raises(UsageError, match="on another model"):
        lowrank.load_adapted(
            hub.load_hub(str(written(tmp_path / "else", teacher.kind, 5))), tmp_path / "learnt.safetensors"
        )
    (tmp_path / "bad").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match="cannot be read"):
        lowrank.load_adapted(hub.load_hub(str(model)), tmp_path / "bad")


def test_a_cache_of_another_model_is_refused(model, tmp_path):
    teacher = hub.load_hub(str(model))
    made = made_maps(2, 256, generator=torch.Generator().manual_seed(0))
    words = write_priors(
        tmp_path / "p",
        teacher,
        [([key("a", k, c) for k, c in enumerate(made.clip)], made.clip, None)],
        domains=["pure"],
    )
    assert torch.allclose(words.pulse, words_of(teacher).pulse)
    open_priors(tmp_path / "p", teacher=teacher.fingerprint())
    other = hub.load_hub(str(written(tmp_path / "other", teacher.kind, 7)))
    with pytest.raises(UsageError, match="another teacher said"):
        open_priors(tmp_path / "p", teacher=other.fingerprint())


def test_captions_fit_the_longest_text():
    longest = max(len(s) for rate in prompts.PULSES for s in prompts.pulse(rate))
    assert longest < 77 * 2  # letters; models count words


@pytest.mark.parametrize(
    ("missing", "added", "words"),
    [
        ("*", None, "holds no config.json"),
        ("*.safetensors", None, r"holds no weights \(\*\.safetensors\)"),
        ("*.safetensors", "pytorch_model.bin", "pytorch_model.bin, a pickle, which can run code"),
        ("tokenizer*", None, "holds no tokeniser"),
    ],
)
def test_folders_that_are_refused(clip, tmp_path, missing, added, words):
    folder = shutil.copytree(clip, tmp_path / "broken")
    for path in folder.glob(missing):
        path.unlink()
    if added:
        (folder / added).write_bytes(b"pickled")
    with pytest.raises(SourceError, match=words):
        hub.load_hub(str(folder))


def test_models_that_are_refused(clip, tmp_path):
    with pytest.raises(SourceError, match="There is no folder"):
        hub.load_hub(str(tmp_path / "none"))
    bert = shutil.copytree(clip, tmp_path / "bert")
    (bert / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UsageError, match="is a bert model"):
        hub.load_hub(str(bert))
    strange = shutil.copytree(clip, tmp_path / "strange")
    about = {"model_type": "own", "auto_map": {"AutoConfig": "run.Me", "AutoModel": "run.Me"}}
    (strange / "config.json").write_text(json.dumps(about))
    (strange / "run.py").write_text("raise SystemExit('code of a model was run')")
    with pytest.raises(SourceError, match="cannot be loaded"):
        hub.load_hub(str(strange))
    empty = shutil.copytree(clip, tmp_path / "empty")
    (empty / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(SourceError, match=r"weights of .* cannot be loaded"):
        hub.load_hub(str(empty))
    from safetensors.torch import load_file, save_file

    some = load_file(clip / "model.safetensors")
    name = next(name for name in some if "visual_projection" in name)
    del some[name]
    save_file(some, empty / "model.safetensors", {"format": "pt"})
    with pytest.raises(SourceError, match="lack visual_projection"):
        hub.load_hub(str(empty))


def test_offline_is_honoured(monkeypatch):
    asked = []
    config = transformers.AutoConfig

    def watched(source, **how):
        asked.append(how)
        raise OSError("not in the cache")

    monkeypatch.setattr(config, "from_pretrained", watched)
    for offline, env in ((True, ""), (None, "1"), (None, "yes"), (False, "1")):
        monkeypatch.setenv("HF_HUB_OFFLINE", env)
        with pytest.raises(SourceError, match="somebody/some-clip cannot be loaded: not in the cache"):
            hub.load_hub("somebody/some-clip", offline=offline)
    assert [how["local_files_only"] for how in asked] == [True, True, True, False]
    assert not any(how["trust_remote_code"] for how in asked)
