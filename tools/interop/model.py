"""OpenVLA-OFT's network in the fewest lines: timm's and transformers' own classes under upstream's module names.

Sources: prismatic/extern/hf/modeling_prismatic.py, prismatic/models/{action_heads,projectors,film_vit_wrapper}.py of
moojink/openvla-oft. Float32, one observation, inference only.
"""

import math

import torch
from timm.models.vision_transformer import LayerScale, VisionTransformer
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM


class Scale(nn.Module):
    """timm's LayerScale with the name Hugging Face does not rename (ls_apply_patch)."""

    def __init__(self, gamma):
        super().__init__()
        self.scale_factor = nn.Parameter(gamma.clone())

    def forward(self, x):
        return x * self.scale_factor


def featurizer(vit):
    model = VisionTransformer(
        img_size=vit["imageSize"],
        patch_size=vit["patchSize"],
        embed_dim=vit["dim"],
        depth=vit["depth"],
        num_heads=vit["heads"],
        mlp_ratio=vit["mlp"] / vit["dim"],
        class_token=vit["classToken"],
        reg_tokens=vit["registerTokens"],
        no_embed_class=vit["positionsForPatchesOnly"],
        init_values=1e-5 if vit["layerScale"] else None,
        global_pool="token" if vit["classToken"] else "map",
        num_classes=0,
    )
    for block in model.blocks:
        for name in ("ls1", "ls2"):
            if isinstance(getattr(block, name), LayerScale):
                setattr(block, name, Scale(getattr(block, name).gamma))
    return model


def features(vit, pixels):
    """Output of the second-to-last block, patches only, not normalised."""
    return vit.get_intermediate_layers(pixels, n={len(vit.blocks) - 2})[0]


class VisionBackbone(nn.Module):
    def __init__(self, vits):
        super().__init__()
        self.featurizer = featurizer(vits[0])
        if len(vits) > 1:
            self.fused_featurizer = featurizer(vits[1])

    def towers(self):
        return [self.featurizer] + ([self.fused_featurizer] if hasattr(self, "fused_featurizer") else [])

    def forward(self, pixels, language):
        """pixels [images, 3 * towers, H, W] -> [1, images * patches, sum of widths]"""
        parts = [features(tower, pixels[:, 3 * i : 3 * i + 3]) for i, tower in enumerate(self.towers())]
        patches = torch.cat(parts, dim=2)
        return patches.reshape(1, -1, patches.shape[2])


class FiLMedBlock(nn.Module):
    def __init__(self, block, dim, hidden):
        super().__init__()
        self.block = block
        self.scale = nn.Linear(hidden, dim)
        self.shift = nn.Linear(hidden, dim)
        self.language = None

    def forward(self, x):
        b = self.block
        x = x + b.drop_path1(b.ls1(b.attn(b.norm1(x))))
        x = x * (1 + self.scale(self.language)[:, None]) + self.shift(self.language)[:, None]
        return x + b.drop_path2(b.ls2(b.mlp(b.norm2(x))))


class FiLMedVisionBackbone(nn.Module):
    """Wraps the backbone that PEFT has adapted already, as finetune.py does; its own layers get no LoRA."""

    def __init__(self, vision_backbone, hidden):
        super().__init__()
        self.vision_backbone = vision_backbone
        for tower in vision_backbone.towers():
            dim = tower.embed_dim
            tower.blocks = nn.Sequential(*(FiLMedBlock(block, dim, hidden) for block in tower.blocks))

    def forward(self, pixels, language):
        for tower in self.vision_backbone.towers():
            for block in tower.blocks:
                block.language = language
        return self.vision_backbone(pixels, language)


class Projector(nn.Module):
    def __init__(self, layers, vision, hidden):
        super().__init__()
        self.act = nn.GELU()
        if layers == 2:
            self.fc1, self.fc2 = nn.Linear(vision, hidden), nn.Linear(hidden, hidden)
        else:
            self.fc1, self.fc2 = nn.Linear(vision, 4 * vision), nn.Linear(4 * vision, hidden)
            self.fc3 = nn.Linear(hidden, hidden)

    def forward(self, x):
        x = self.fc2(self.act(self.fc1(x)))
        return self.fc3(self.act(x)) if hasattr(self, "fc3") else x


class OpenVLA(nn.Module):
    def __init__(self, case):
        super().__init__()
        llama = case["llama"]
        self.vision_backbone = VisionBackbone(case["vits"])
        self.projector = Projector(case["projectorLayers"], sum(v["dim"] for v in case["vits"]), llama["hidden"])
        self.language_model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=llama["vocabulary"],
                hidden_size=llama["hidden"],
                intermediate_size=llama["intermediate"],
                num_hidden_layers=llama["layers"],
                num_attention_heads=llama["heads"],
                num_key_value_heads=llama["kvHeads"],
                rms_norm_eps=llama["rmsEps"],
                rope_theta=llama["ropeTheta"],
                attn_implementation="eager",
            )
        )

    # PEFT asks for these when it decides whether an embedding layer is adapted.
    def get_input_embeddings(self):
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self):
        return self.language_model.get_output_embeddings()


class Mlp2(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.fc1, self.fc2, self.act = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.GELU()

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class ResBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.ffn = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.ReLU())

    def forward(self, x):
        return x + self.ffn(x)


class MLPResNet(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.layer_norm1, self.fc1 = nn.LayerNorm(inputs), nn.Linear(inputs, hidden)
        self.mlp_resnet_blocks = nn.ModuleList([ResBlock(hidden), ResBlock(hidden)])
        self.layer_norm2, self.fc2 = nn.LayerNorm(hidden), nn.Linear(hidden, outputs)

    def forward(self, x):
        x = torch.relu(self.fc1(self.layer_norm1(x)))
        for block in self.mlp_resnet_blocks:
            x = block(x)
        return self.fc2(self.layer_norm2(x))


def modules(case):
    """The modules that upstream saves beside the model, by their file's name."""
    hidden, dim = case["llama"]["hidden"], case["actionDim"]
    found = {}
    head = MLPResNet(hidden * dim, hidden, dim)
    if case["head"] == "l1":
        found["action_head"] = nn.ModuleDict({"model": head})
    if case["head"] == "diffusion":
        found["action_head"] = nn.ModuleDict({"noise_predictor": nn.ModuleDict({"mlp_resnet": head})})
        found["noisy_action_projector"] = Mlp2(1, hidden)
    if case["proprioDim"]:
        found["proprio_projector"] = Mlp2(case["proprioDim"], hidden)
    return found


class Predictor:
    """predict_action from the network's inputs on: pixels, prompt tokens, normalised proprio, noise -> normalised actions."""

    def __init__(self, case, vla, beside):
        self.case, self.vla, self.beside = case, vla, beside

    @torch.no_grad()
    def __call__(self, inputs):
        case, vla = self.case, self.vla
        count = case["chunk"] * case["actionDim"]
        prompt = list(case["promptIds"])
        if prompt[-1] != case["empty"]:
            prompt.append(case["empty"])
        ids = torch.tensor([prompt + [case["placeholder"]] * count + [case["stop"]]])
        start = len(prompt)
        text = vla.get_input_embeddings()(ids).clone()
        others = torch.cat([text[:, :start], text[:, start + count :]], dim=1)
        patches = vla.projector(vla.vision_backbone(inputs["pixels"], others.mean(dim=1)))
        extra = [patches]
        if "proprio_projector" in self.beside:
            extra.append(self.beside["proprio_projector"](inputs["proprio"])[:, None])

        def states(actions, *more):
            mixed = text.clone()
            mixed[:, start : start + count] = actions
            tokens = torch.cat([*extra, *more], dim=1)
            embeddings = torch.cat([mixed[:, :1], tokens, mixed[:, 1:]], dim=1)
            length = embeddings.shape[1]
            # A mask in four dimensions is taken as it is: every token sees every other.
            seen = torch.ones(1, 1, length, length)
            out = vla.language_model.model(inputs_embeds=embeddings, attention_mask=seen, use_cache=False)[0]
            first = tokens.shape[1] + start - 1
            return out[:, first : first + count]

        if case["head"] == "discrete":
            logits = vla.language_model.lm_head(states(0.0))
            return self.decode(logits.argmax(dim=2))
        if case["head"] == "l1":
            return self.head(self.beside["action_head"]["model"], states(0.0))
        return self.denoise(inputs["noise"], states)

    def head(self, network, hidden):
        return network(hidden.reshape(1, self.case["chunk"], -1))

    def decode(self, ids):
        edges = torch.linspace(-1, 1, self.case["bins"], dtype=torch.float64)
        centers = (edges[:-1] + edges[1:]) / 2
        bins = (self.case["base"] - ids - 1).clamp(0, len(centers) - 1)
        return centers[bins].reshape(1, self.case["chunk"], -1)

    def denoise(self, noise, states):
        """DDIM, squaredcos_cap_v2, leading spacing, x0 clipped (diffusers' DDIMScheduler)."""
        train, steps = self.case["trainSteps"], self.case["steps"]
        bar = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = torch.tensor([min(1 - bar((t + 1) / train) / bar(t / train), 0.999) for t in range(train)])
        alphas = torch.cumprod(1 - betas, dim=0)
        hidden = self.case["llama"]["hidden"]
        half = hidden // 2
        frequencies = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        sample, stride = noise, train // steps
        for t in reversed(range(0, steps * stride, stride)):
            angles = t * frequencies
            time = torch.cat([angles.sin(), angles.cos()])[None, None]
            noisy = self.beside["noisy_action_projector"](sample.reshape(1, -1, 1))
            error = self.head(self.beside["action_head"]["noise_predictor"]["mlp_resnet"], states(noisy, time))
            now, then = alphas[t], alphas[t - stride] if t >= stride else torch.tensor(1.0)
            clean = ((sample - (1 - now).sqrt() * error) / now.sqrt()).clamp(-1, 1)
            sample = then.sqrt() * clean + (1 - then).sqrt() * error
        return sample
