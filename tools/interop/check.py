"""Loads what openvla-web exports with real torch and PEFT; `python check.py <work folder>`, called by main.ts.

For each case in the folder it writes result.json (what was checked, and the actions) and python/<run>--<step>_chkpt, the same
checkpoint as PEFT and torch save it, for main.ts to import.
"""

import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import load_peft_weights
from safetensors import safe_open
from safetensors.torch import load_file

from model import FiLMedVisionBackbone, OpenVLA, Predictor, modules

transformers.utils.logging.set_verbosity_error()


def header(path):
    with safe_open(str(path), framework="pt") as file:
        return {key: (str(file.get_slice(key).get_dtype()), list(file.get_slice(key).get_shape())) for key in file.keys()}


def load_base(case, files):
    model = OpenVLA(case).eval()
    tensors = {}
    for path in files:
        tensors.update(load_file(str(path)))
    if not any(".attn_pool." in key for key in tensors):
        # SigLIP's pooling comes after the block whose output is taken: a base may be made without it.
        for tower in model.vision_backbone.towers():
            tower.attn_pool = None
    model.load_state_dict(tensors, strict=True)
    return model


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.case = json.loads((folder / "case.json").read_text())
        self.inputs = load_file(str(folder / "inputs.safetensors"))
        self.export = folder / "export" / self.case["name"]
        self.merged = folder / "merged" / self.case["name"]
        self.step = self.case["step"]
        self.checks = []

    def check(self, what, ok, detail=""):
        self.checks.append({"what": what, "ok": bool(ok), "detail": str(detail)[:500]})

    def pt(self, module, where=None):
        """As upstream's load_component_state_dict: without the prefix that DDP puts in front."""
        path = (where or self.export) / f"{module}--{self.step}_checkpoint.pt"
        state = torch.load(str(path), map_location="cpu", weights_only=True)
        self.check(f"torch.load(weights_only=True) {path.name}", len(state) > 0)
        return {key[len("module.") :] if key.startswith("module.") else key: value for key, value in state.items()}

    def beside(self, where=None):
        found = modules(self.case)
        for name, module in found.items():
            module.load_state_dict(self.pt(name, where), strict=True)
            module.eval()
        return found

    def adapted(self):
        """The base with the exported adapter, through PEFT."""
        base = load_base(self.case, [Path(self.case["base_model"])])
        path = str(self.export / "lora_adapter")
        if not self.case["film"]:
            return PeftModel.from_pretrained(base, path).eval()
        # As finetune.py: PEFT first, then FiLM around the adapted backbone.
        model = get_peft_model(base, PeftConfig.from_pretrained(path)).eval()
        backbone = model.base_model.model.vision_backbone
        model.base_model.model.vision_backbone = FiLMedVisionBackbone(backbone, self.case["llama"]["hidden"]).eval()
        result = set_peft_model_state_dict(model, load_peft_weights(path, device="cpu"))
        self.check("no key of the adapter is unexpected", not result.unexpected_keys, result.unexpected_keys)
        before = {key: value.clone() for key, value in model.state_dict().items() if "vision_backbone" in key and "lora_" in key}
        model.base_model.model.vision_backbone.load_state_dict(self.pt("vision_backbone"), strict=True)
        after = model.state_dict()
        self.check("the backbone's LoRA is the adapter's", all(torch.equal(after[key], value) for key, value in before.items()))
        return model

    def check_adapter(self, model):
        """Every tensor of the file is in the model, and PEFT saves the same file again."""
        file = load_file(str(self.export / "lora_adapter" / "adapter_model.safetensors"))
        state = model.state_dict()

        def placed(key):
            return key if key in state else key.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default.")

        lost = [key for key, value in file.items() if not torch.equal(state.get(placed(key), torch.tensor(0)), value)]
        self.check("every tensor of the adapter arrived", not lost, lost)
        factors = [key for key in state if "lora_" in key]
        absent = [key for key in factors if key.replace(".default.", ".") not in file]
        self.check("every LoRA layer that PEFT made has its weights", not absent, absent)
        out = self.folder / "python" / self.case["name"] / "lora_adapter"
        model.save_pretrained(str(out))
        ours, theirs = header(self.export / "lora_adapter" / "adapter_model.safetensors"), header(out / "adapter_model.safetensors")
        self.check("PEFT saves the same keys, shapes and types", ours == theirs, [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)])
        config = json.loads((self.export / "lora_adapter" / "adapter_config.json").read_text())
        again = json.loads((out / "adapter_config.json").read_text())
        for written in (config, again):
            written["target_modules"] = sorted(written["target_modules"])
            # Set by save_pretrained from the wrapped class; ours names upstream's.
            written.pop("auto_mapping")
            written.pop("base_model_name_or_path")
        self.check("PEFT saves the same adapter_config.json", config == again, {k: (v, again.get(k)) for k, v in config.items() if again.get(k) != v})

    def save_modules(self, model, beside):
        """The other files, as finetune.py saves them; the head in bf16, as upstream trains it."""
        out = self.folder / "python" / self.case["name"]
        for name, module in beside.items():
            state = {f"module.{key}": value for key, value in module.state_dict().items()}
            torch.save(state, str(out / f"{name}--{self.step}_checkpoint.pt"))
        if "action_head" in beside:
            half = {f"module.{key}": value.to(torch.bfloat16) for key, value in beside["action_head"].state_dict().items()}
            torch.save(half, str(out / "bf16.pt"))
        if self.case["film"]:
            backbone = model.base_model.model.vision_backbone
            torch.save(backbone.state_dict(), str(out / f"vision_backbone--{self.step}_checkpoint.pt"))
        # What Python neither reads nor writes is copied along.
        for beside_it in ("dataset_statistics.json", "robot_profile.json"):
            if (self.export / beside_it).exists():
                (out / beside_it).write_bytes((self.export / beside_it).read_bytes())

    def merged_model(self):
        files = sorted(self.merged.glob("model*.safetensors"))
        self.check("the merged checkpoint is sharded, with an index", len(files) > 1 and (self.merged / "model.safetensors.index.json").exists())
        index = json.loads((self.merged / "model.safetensors.index.json").read_text())["weight_map"]
        self.check("the index places every tensor", all(key in header(self.merged / file) for key, file in index.items()))
        model = load_base(self.case, files)
        if not self.case["film"]:
            return model
        # As openvla_utils._apply_film_to_vla: LoRA and FiLM anew, then the backbone's file over them.
        model = get_peft_model(model, PeftConfig.from_pretrained(str(self.merged / "lora_adapter"))).eval()
        backbone = model.base_model.model.vision_backbone
        model.base_model.model.vision_backbone = FiLMedVisionBackbone(backbone, self.case["llama"]["hidden"]).eval()
        model.base_model.model.vision_backbone.load_state_dict(self.pt("vision_backbone", self.merged), strict=True)
        return model.base_model.model

    def check_tokenizer(self):
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(self.export))
        for text, ids in self.case["tokens"].items():
            found = tokenizer(text, add_special_tokens=True).input_ids
            self.check(f"AutoTokenizer: {text[:30]!r}", found == ids, found)
        self.check("the padding token", tokenizer.pad_token_id == self.case["padToken"], tokenizer.pad_token_id)

    def run(self):
        beside = self.beside()
        predict = lambda vla: Predictor(self.case, vla, beside)(self.inputs)
        model = self.adapted()
        self.check_adapter(model)
        actions = {"adapter": predict(model.base_model.model)}
        self.save_modules(model, beside)
        if not self.case["film"]:
            actions["merged by PEFT"] = predict(model.merge_and_unload())
        beside = self.beside(self.merged)
        actions["merged by us"] = predict(self.merged_model())
        self.check_tokenizer()
        result = {"checks": self.checks, "actions": {key: value.flatten().tolist() for key, value in actions.items()}}
        (self.folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    print(f"torch {torch.__version__}, peft {peft.__version__}, transformers {transformers.__version__}")
    torch.manual_seed(0)
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if (path / "case.json").exists()):
        Case(folder).run()
