"""The assembled model: what it computes, how it is saved, and under which names."""

import json

import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPModel,
    LlamaForCausalLM,
    Trainer,
)

from synthvlm.errors import InvalidInput
from synthvlm.model_folders import resolve_model
from synthvlm.profiles import load_profile
from synthvlm.training import model as models
from synthvlm.training.conversation import IMAGE, TEMPLATES, V1_BRIEF, Sample, Turn
from synthvlm.training.encoder import Encoder
from synthvlm.training.model import Parts, assemble, load_processor, load_tokenizer, save_folder
from synthvlm.training.processes import Processes
from synthvlm.training.settings import training_settings
from synthvlm.training.tower import load_tower, tower_config
from synthvlm.training.trainer import Stage, training_arguments
from tests.training.tokenizers import llama_style_tokenizer

PARTS = Parts(resolve_model("bundled:mini-clip"), resolve_model("bundled:mini-llm"))
PATCHES = 64


@pytest.fixture(scope="module")
def processor():
    return load_processor(PARTS, V1_BRIEF)


@pytest.fixture(scope="module")
def model(processor):
    return assemble(PARTS, processor.tokenizer, seed=0)


@pytest.fixture(scope="module")
def folder(model, processor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_folder(model, processor, folder, torch.float32)
    return folder


@pytest.fixture(scope="module")
def batch(processor):
    texts = [f"USER: {IMAGE}\nwhat colour? ASSISTANT: {one}</s>" for one in ("red", "blue")]
    images = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    given = processor(text=texts, images=images, return_tensors="pt")
    return {**given, "labels": given["input_ids"]}


class TestTower:
    def test_sees_what_open_clip_sees(self):
        tower = load_tower(PARTS.vision_tower, torch.float32)
        clip, _, _ = open_clip.create_model_and_transforms(f"local-dir:{PARTS.vision_tower}")
        pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            ours = tower(pixels).pooler_output @ clip.visual.proj
            theirs = clip.encode_image(pixels)
        assert torch.allclose(ours, theirs, atol=1e-5)

    def test_of_a_whole_clip_of_transformers(self, tmp_path):
        given = load_tower(PARTS.vision_tower, torch.float32)
        config = CLIPModel.config_class(
            vision_config=given.config.to_dict(),
            text_config={
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "vocab_size": 8,
            },
        )
        whole = CLIPModel(config)
        whole.vision_model.load_state_dict(given.state_dict())
        whole.save_pretrained(tmp_path)
        read = load_tower(tmp_path, torch.float32).state_dict()
        assert read.keys() == given.state_dict().keys()
        assert all(torch.equal(read[name], one) for name, one in given.state_dict().items())

    def test_a_language_model_is_not_a_tower(self):
        with pytest.raises(InvalidInput, match="not a CLIP model"):
            tower_config(PARTS.language_model)


class TestAssembly:
    def test_the_projector_reads_the_layer_before_the_last_without_the_class_token(
        self, model, batch
    ):
        with torch.no_grad():
            seen = model.get_image_features(batch["pixel_values"]).pooler_output
            hidden = model.model.vision_tower(
                batch["pixel_values"], output_hidden_states=True
            ).hidden_states
            wanted = model.model.multi_modal_projector(hidden[-2][:, 1:])
        assert len(hidden) == model.config.vision_config.num_hidden_layers + 1
        assert torch.equal(torch.stack(list(seen)), wanted)
        assert wanted.shape[1] == PATCHES == model.config.image_seq_length

    @pytest.mark.parametrize("trains_language_model", [False, True])
    def test_what_is_trained(self, processor, trains_language_model):
        made = assemble(
            PARTS, processor.tokenizer, seed=0, trains_language_model=trains_language_model
        )
        names = models.trained_parameters(made)
        parts = {name.removeprefix("model.").split(".")[0] for name in names}
        wanted = {"multi_modal_projector"} | (
            {"language_model", "lm_head"} if trains_language_model else set()
        )
        assert parts == wanted

    def test_the_seed_decides_the_projector_alone(self, processor):
        before = torch.random.get_rng_state()
        one, same, other = (
            assemble(PARTS, processor.tokenizer, seed=seed).state_dict() for seed in (1, 1, 2)
        )
        assert torch.equal(torch.random.get_rng_state(), before)
        assert all(torch.equal(one[name], same[name]) for name in one)
        different = {name for name in one if not torch.equal(one[name], other[name])}
        assert {name.split(".")[1] for name in different} == {"multi_modal_projector"}

    def test_text_alone_costs_no_image_but_the_projector_has_gradients(self, processor):
        made = assemble(PARTS, processor.tokenizer, seed=0).train()
        tower_calls = []
        made.model.vision_tower.register_forward_hook(lambda *_: tower_calls.append(1))
        ids = torch.tensor([[0, 10, 11, 12]])
        made(input_ids=ids, labels=ids).loss.backward()
        assert tower_calls == []
        assert not made.model.multi_modal_projector.linear_1.weight.grad.any()

    def test_a_vocabulary_without_the_tokens_grows(self, tmp_path, model):
        tokenizer = llama_style_tokenizer()
        text = LlamaForCausalLM.config_class(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            vocab_size=len(tokenizer) - 1,  # without the image
            tie_word_embeddings=False,
        )
        language_model = LlamaForCausalLM(text)
        language_model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        made = assemble(Parts(PARTS.vision_tower, tmp_path), load_tokenizer(tmp_path), seed=0)
        rows = made.model.language_model.embed_tokens.weight
        given = language_model.model.embed_tokens.weight
        assert rows.shape[0] % 64 == 0
        assert torch.equal(rows[: len(given)], given)
        assert torch.allclose(rows[len(given)], given.mean(0))
        assert made.lm_head.weight.shape[0] == rows.shape[0]


class TestFolder:
    def test_transformers_loads_it_by_itself(self, folder, model, batch, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        read = AutoModelForImageTextToText.from_pretrained(folder)
        assert type(read).__name__ == "LlavaForConditionalGeneration"
        with torch.no_grad():
            assert torch.equal(read(**batch).logits, model.eval()(**batch).logits)

    def test_its_processor_writes_as_many_tokens_as_the_model_has_features(self, folder, batch):
        read = AutoProcessor.from_pretrained(folder)
        made = read(text=IMAGE, images=Image.new("RGB", (100, 64)), return_tensors="pt")
        image_id = read.tokenizer.convert_tokens_to_ids(IMAGE)
        assert int((made["input_ids"] == image_id).sum()) == PATCHES
        assert read.num_additional_image_tokens == 1

    def test_names_are_those_of_published_checkpoints(self, folder):
        with safe_open(folder / "model.safetensors", "pt") as file:
            names = set(file.keys())
        assert {
            "language_model.model.embed_tokens.weight",
            "language_model.model.layers.0.self_attn.q_proj.weight",
            "multi_modal_projector.linear_1.weight",
            "multi_modal_projector.linear_2.bias",
            "vision_tower.vision_model.embeddings.class_embedding",
            "vision_tower.vision_model.encoder.layers.3.mlp.fc2.weight",
            "vision_tower.vision_model.post_layernorm.bias",
        } <= names
        assert {name.split(".")[0] for name in names} == {
            "language_model",
            "multi_modal_projector",
            "vision_tower",
        }

    def test_it_tells_nothing_of_the_machine(self, folder):
        for file in folder.glob("*.json"):
            assert str(PARTS.language_model) not in file.read_text()
        assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"

    @pytest.mark.parametrize("name", ["v1", "v1-brief"])
    def test_its_chat_template_writes_what_was_trained(self, name):
        template = TEMPLATES[name]
        read = load_processor(PARTS, template)
        content = [{"type": "image"}, {"type": "text", "text": "what colour is the star?"}]
        chat = [
            {"role": "user", "content": content},
            {"role": "assistant", "content": [{"type": "text", "text": "red"}]},
            {"role": "user", "content": "how many stars are there?"},
            {"role": "assistant", "content": "one"},
        ]
        text = read.apply_chat_template(chat)
        turns = [
            Turn("user", f"{IMAGE}\nwhat colour is the star?"),
            Turn("assistant", "red"),
            Turn("user", "how many stars are there?"),
            Turn("assistant", "one"),
        ]
        image = Image.new("RGB", (64, 64))
        encoded = Encoder(read.tokenizer, PATCHES, template, 999).encode(Sample(image, turns, "x"))
        tokens = read(images=image, text=text, add_special_tokens=False)["input_ids"]
        assert tokens == [encoded.input_ids]


class Products(TorchDispatchMode):
    """Notes the types in which matrix products are computed."""

    def __init__(self):
        super().__init__()
        self.dtypes = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        tensors = [one for one in args if isinstance(one, torch.Tensor)]
        # Positions of rotary embeddings are an outer product, which has nothing to sum up.
        is_product = name in {"mm", "addmm", "bmm", "baddbmm"} and tensors[-1].shape[-2] > 1
        if is_product or name == "convolution":
            self.dtypes.setdefault(name, set()).update(one.dtype for one in tensors)
        elif "attention" in name:  # query, key and value; what it keeps of the scores is float32
            self.dtypes.setdefault(name, set()).update(one.dtype for one in tensors[:3])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("dtype", "wanted"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_products_are_computed_in_the_type_of_the_profile(
    model, processor, batch, stage, dtype, wanted, tmp_path
):
    section = load_profile("mini").section("training")
    settings = training_settings({**section, "dtype": dtype})
    arguments = training_arguments(Stage(0, stage, 1), settings, Processes(settings), tmp_path)
    made = assemble(
        PARTS,
        processor.tokenizer,
        seed=0,
        trains_language_model=stage == "finetune",
        frozen=getattr(torch, dtype),
    )
    trainer = Trainer(made, arguments)
    with Products() as products:
        trainer.training_step(trainer.accelerator.prepare(made), dict(batch), torch.tensor(9))
    assert {"mm", "convolution"} <= products.dtypes.keys()
    assert any("attention" in name for name in products.dtypes)
    assert all(found == {wanted} for found in products.dtypes.values()), products.dtypes
