"""The architectures of the bundled models."""

import torch

from synthvlm.scenes.mini_models.architectures import make_llm, shrink
from synthvlm.scenes.mini_models.llm_tokenizer import build_llm_tokenizer


def test_a_language_model_that_was_shrunk_says_the_same() -> None:
    tokenizer = build_llm_tokenizer(lessons=100)
    torch.manual_seed(0)
    model = make_llm(tokenizer).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.randint(0, len(tokenizer), (2, 40))
    with torch.no_grad():
        before = model(ids).logits
        shrink(model, 0.25)
        after = model(ids).logits
    # But for RMSNorm's epsilon, which small numbers feel more.
    assert float((after - before).abs().max() / before.abs().max()) < 1e-3
    assert float(model.get_input_embeddings().weight.detach().std()) < 0.1
