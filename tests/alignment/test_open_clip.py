"""The open_clip engine against direct use of open_clip and of transformers."""

import json

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel

from synthvlm.alignment.clip_score import clip_scores
from synthvlm.alignment.engines import open_clip as engines
from synthvlm.alignment.engines.preprocessing import preprocessing
from synthvlm.alignment.warm_up import warm_up
from synthvlm.errors import PreconditionFailed
from synthvlm.model_folders import model_digest, resolve_model

FOLDER = resolve_model("bundled:mini-clip")
TEXTS = [
    "A photo depicts a red circle",
    "A photo depicts two blue squares on a white page",
    "A photo depicts " + "a very long caption " * 40,
    "A photo depicts Ünïcödé \N{GRINNING FACE} and <tags>",
    "x",
]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (64, 64), (100, 80), (30, 64), (256, 256)]
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)) for size in sizes]


def directly(images, texts):
    """What a program does that uses open_clip by its README."""
    name = f"local-dir:{FOLDER}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    with torch.no_grad():
        seen = model.encode_image(torch.stack([preprocess(image) for image in images]))
        read = model.encode_text(tokenizer(texts))
        seen /= seen.norm(dim=-1, keepdim=True)
        read /= read.norm(dim=-1, keepdim=True)
    return seen.numpy(), read.numpy()


def test_embeddings_are_open_clips(engine, images):
    seen, read = directly(images, TEXTS)
    made = engine.embed_images([engine.preprocess(image) for image in images])
    assert made.shape == (5, 128)
    assert np.abs(made - seen).max() < 1e-5
    assert np.abs(engine.embed_texts(TEXTS) - read).max() < 1e-5
    assert np.abs(np.linalg.norm(made, axis=1) - 1).max() < 1e-6
    scores = clip_scores(made, engine.embed_texts(TEXTS))
    assert scores == pytest.approx(np.clip((seen * read).sum(1), 0, 1), abs=1e-5)


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(64, 64), (40, 40), (150, 150), (100, 80), (80, 100)])
def test_inputs_are_open_clips_to_the_last_bit(mode, size):
    transform = image_transform_v2(PreprocessCfg(size=64, resize_mode=mode), is_train=False)
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    image = Image.fromarray(pixels)
    assert np.array_equal(preprocessing(transform)(image), transform(image).numpy())


def test_long_texts_are_cut_at_77_tokens(engine):
    words = ["A photo depicts", *["red"] * 200]
    # Start, three words of the prefix, 72 more, end: 77.
    cut, longer = (" ".join(words[: 1 + n]) for n in (72, 150))
    embedded = engine.embed_texts([cut, longer, " ".join(words[:72])])
    assert np.array_equal(embedded[0], embedded[1])
    assert not np.array_equal(embedded[0], embedded[2])


def test_an_embedding_does_not_depend_on_its_batch(engine):
    count = 16
    pixels = np.random.default_rng(5).integers(0, 256, (count, 64, 64, 3), np.uint8)
    inputs = [engine.preprocess(Image.fromarray(one)) for one in pixels]
    texts = [f"A photo depicts {n} {'red ' * (5 * n)}" for n in range(count)]
    seen, read = engine.embed_images(inputs), engine.embed_texts(texts)
    for size in (1, 3, 4, 7):
        part = slice(count - size, count)
        # Exact on processors where the padding does its work, and next to it on any.
        assert np.abs(engine.embed_images(inputs[part]) - seen[part]).max() < 1e-6
        assert np.abs(engine.embed_texts(texts[part]) - read[part]).max() < 1e-6


def test_the_warm_up_measures_what_batches_change(engine):
    assert warm_up(engine, 8) < 1e-6


def test_the_digest_and_the_numerics_say_what_scores_depend_on(engine):
    assert engine.model_digest == model_digest(FOLDER)
    assert engine.numerics == {
        "executor": "torch",
        "device": "cpu",
        "dtype": "float32",
        "batch_multiple": 4,
        "threads": 2,
    }


@pytest.fixture(scope="module", params=["quick_gelu", "gelu", "legacy_eos"])
def transformers_folder(request, tmp_path_factory):
    """A small random CLIP as transformers publishes it, with the bundled tokenizer."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    eos = 2 if request.param == "legacy_eos" else tokenizer.eos_token_id
    activation = "gelu" if request.param == "gelu" else "quick_gelu"
    config = CLIPConfig(
        projection_dim=24,
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 77,
            "hidden_act": activation,
            "eos_token_id": eos,
            "bos_token_id": tokenizer.bos_token_id,
            "projection_dim": 24,
        },
        vision_config={
            "hidden_size": 48,
            "intermediate_size": 100,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "image_size": 32,
            "patch_size": 8,
            "hidden_act": activation,
            "projection_dim": 24,
        },
    )
    torch.manual_seed(1)
    model = CLIPModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.3, 0.25],
    ).save_pretrained(folder)
    return folder


def test_a_transformers_folder_gives_transformers_embeddings(transformers_folder, images):
    engine = engines.load(transformers_folder, device="cpu", threads=2, batch_multiple=4)
    model = CLIPModel.from_pretrained(transformers_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(transformers_folder)
    inputs = [engine.preprocess(image) for image in images]
    tokens = tokenizer(TEXTS, return_tensors="pt", padding=True, truncation=True, max_length=77)
    with torch.no_grad():
        made = model(**tokens, pixel_values=torch.from_numpy(np.stack(inputs)))
    assert np.abs(engine.embed_images(inputs) - made.image_embeds.numpy()).max() < 1e-5
    assert np.abs(engine.embed_texts(TEXTS) - made.text_embeds.numpy()).max() < 1e-5
    # The library's own processor resizes tensors; it agrees to what eight bits and its filter say.
    processor = CLIPImageProcessor.from_pretrained(transformers_folder)
    theirs = processor(images[0], return_tensors="np").pixel_values[0]
    assert np.abs(theirs - inputs[0]).mean() < 0.02


def test_a_checkpoint_in_torchs_own_format_is_read_too(transformers_folder, tmp_path):
    for file in transformers_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = CLIPModel.from_pretrained(transformers_folder)
    (tmp_path / "model.safetensors").unlink()
    stored = {f"{name}": value for name, value in model.state_dict().items()}
    stored["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    torch.save(stored, tmp_path / "pytorch_model.bin")
    texts = TEXTS[:2]
    load = [
        engines.load(folder, device="cpu", threads=2, batch_multiple=1).embed_texts(texts)
        for folder in (transformers_folder, tmp_path)
    ]
    assert np.array_equal(*load)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"open_clip_config.json": "{}"},
        {"open_clip_config.json": (FOLDER / "open_clip_config.json").read_text()},
        {"config.json": json.dumps({"model_type": "bert"})},
        {"config.json": json.dumps({"model_type": "clip"})},
        {
            "open_clip_config.json": (FOLDER / "open_clip_config.json").read_text(),
            "open_clip_model.safetensors": "damaged",
        },
    ],
)
def test_a_folder_without_a_model_is_a_clear_error(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(PreconditionFailed, match="CLIP model"):
        engines.load(tmp_path, device="cpu", threads=2, batch_multiple=4)
