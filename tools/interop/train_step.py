"""Milliseconds of one LoRA step with real torch and PEFT: `python train_step.py <work folder>/<case> <steps>`, called by upstream-step.ts.

Two samples a batch, all linear layers, float32, torch's AdamW, on the same export that check.py loads. The observation and the actions do not matter here.
"""

import json
import sys
import time
from pathlib import Path

import torch

from check import Case

torch.manual_seed(0)
SAMPLES = 2


def main(folder, steps):
    case = Case(Path(folder))
    about, inputs = case.case, case.inputs
    vla, beside = case.adapted(), case.beside()
    model = vla.base_model.model if hasattr(vla, "base_model") else vla
    trained = [p for name, p in vla.named_parameters() if "lora_" in name or ".scale." in name or ".shift." in name]
    trained += [p for module in beside.values() for p in module.parameters()]
    for parameter in vla.parameters():
        parameter.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained, lr=5e-4)
    count = about["chunk"] * about["actionDim"]
    prompt = list(about["promptIds"])
    if prompt[-1] != about["empty"]:
        prompt.append(about["empty"])
    ids = torch.tensor([prompt + [about["placeholder"]] * count + [about["stop"]]]).repeat(SAMPLES, 1)
    start = len(prompt)
    target = torch.rand(SAMPLES, about["chunk"], about["actionDim"]) * 2 - 1
    images = inputs["pixels"].shape[0]

    def step():
        optimizer.zero_grad()
        text = model.get_input_embeddings()(ids).clone()
        mean = torch.cat([text[:, :start], text[:, start + count :]], dim=1).mean(dim=1)
        patches = torch.cat([model.projector(model.vision_backbone(inputs["pixels"], mean[i : i + 1])) for i in range(SAMPLES)])
        extra = [patches]
        if "proprio_projector" in beside:
            extra.append(beside["proprio_projector"](inputs["proprio"].repeat(SAMPLES, 1))[:, None])
        actions = torch.zeros(SAMPLES, count, text.shape[2])
        if about["head"] == "diffusion":
            noise = torch.randn_like(target)
            actions = beside["noisy_action_projector"](noise.reshape(SAMPLES, count, 1))
            extra.append(torch.zeros(SAMPLES, 1, text.shape[2]))
        mixed = torch.cat([text[:, :start], actions, text[:, start + count :]], dim=1)
        tokens = torch.cat(extra, dim=1)
        embeddings = torch.cat([mixed[:, :1], tokens, mixed[:, 1:]], dim=1)
        length = embeddings.shape[1]
        seen = torch.ones(SAMPLES, 1, length, length)
        out = model.language_model.model(inputs_embeds=embeddings, attention_mask=seen, use_cache=False)[0]
        first = tokens.shape[1] + start - 1
        if about["head"] == "discrete":
            logits = model.language_model.lm_head(out[:, first : first + count + 1])
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, start : start + count + 1].reshape(-1))
        else:
            states = out[:, first : first + count].reshape(SAMPLES, about["chunk"], -1)
            head = beside["action_head"]
            if about["head"] == "l1":
                loss = torch.nn.functional.l1_loss(head["model"](states), target)
            else:
                loss = torch.nn.functional.mse_loss(head["noise_predictor"]["mlp_resnet"](states), noise)
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - begin))
    print(json.dumps({"ms": sorted(times)[len(times) // 2], "images": images, "threads": torch.get_num_threads()}))


main(sys.argv[1], int(sys.argv[2]))
