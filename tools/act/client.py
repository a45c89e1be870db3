"""Asks `npm run act` for actions as upstream's Python clients do, and prints what came as JSON.

usage: python client.py http://127.0.0.1:8777/act observation.json
needs: pip install json_numpy requests numpy

The observation is {"images": {key: {"rgb": base64, "height", "width"}}, "state": [...] or null, "instruction": text, "token": text or null,
"seed": of a diffusion head's noise}.
`npm run bench:act -- --python PATH` writes one and compares the answers.
"""

import base64
import json
import sys

import json_numpy
import numpy as np
import requests

json_numpy.patch()


def main() -> None:
    url, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        observation = json.load(file)
    images = {
        key: np.frombuffer(base64.b64decode(image["rgb"]), np.uint8).reshape(image["height"], image["width"], 3)
        for key, image in observation["images"].items()
    }
    common = {"instruction": observation["instruction"], "seed": observation["seed"]}
    if observation["state"] is not None:
        common["state"] = np.array(observation["state"])
    wrists = {key: image for key, image in images.items() if "wrist" in key}
    oft = {"full_image": images["full_image"], **wrists, **common}
    openvla = {"image": images["full_image"], **wrists, **common}
    headers = {"Authorization": f"Bearer {observation['token']}"} if observation["token"] else {}

    def ask(payload: dict):
        response = requests.post(url, json=payload, headers=headers)
        response.raise_for_status()
        return response.json()

    answers = {}
    for name, payload in (("openvla-oft", oft), ("openvla", openvla)):
        for encoded in (False, True):
            answer = json.loads(ask({"encoded": json.dumps(payload)})) if encoded else ask(payload)
            steps = [answer] if isinstance(answer, np.ndarray) else answer
            assert all(isinstance(step, np.ndarray) and step.ndim == 1 for step in steps), answer
            assert isinstance(answer, np.ndarray) == (name == "openvla"), answer
            answers[f"{name}, encoded" if encoded else name] = [step.tolist() for step in steps]
    refused = requests.post(url, json={"image": images["full_image"]}, headers=headers)
    answers["refused"] = {"status": refused.status_code, **refused.json()["error"]}
    print(json.dumps(answers))


main()
