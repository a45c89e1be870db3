"""Makes augment.safetensors: what TensorFlow gives for the image augmentation of openvla-oft (prismatic/vla/datasets/datasets.py, image_augment_kwargs).

pip install tensorflow-cpu==2.21.0 safetensors numpy; python3 make.py
"""
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

SIDE, SEEDS = 48, [(3, 5), (11, 7), (123456, 1), (0, 99)]
rng = np.random.default_rng(7)
out = {}
for i, seed in enumerate(SEEDS):
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    smooth = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x + 7 * y + i)], -1)
    image = (255 * np.clip(smooth + rng.normal(0, 0.12, smooth.shape), 0, 1)).astype(np.uint8)
    # All operations get one and the same seed, so one uniform number decides all of them.
    u = tf.random.stateless_uniform((), seed, 0, 1).numpy()
    v = tf.cast(image, tf.float32) / 255.0
    side = tf.clip_by_value(tf.sqrt(tf.random.stateless_uniform((1,), seed, 0.9, 0.9)), 0, 1)
    down = tf.random.stateless_uniform((1,), seed, 0, 1 - side)
    right = tf.random.stateless_uniform((1,), seed, 0, 1 - side)
    box = tf.stack([down, right, down + side, right + side], axis=1)
    stages = []
    v = tf.squeeze(tf.image.crop_and_resize(v[None], box, [0], (SIDE, SIDE)))
    for operation in (
        lambda v: v,
        lambda v: tf.image.stateless_random_brightness(v, 0.2, seed=seed),
        lambda v: tf.image.stateless_random_contrast(v, 0.8, 1.2, seed=seed),
        lambda v: tf.image.stateless_random_saturation(v, 0.8, 1.2, seed=seed),
        lambda v: tf.image.stateless_random_hue(v, 0.05, seed=seed),
    ):
        v = tf.clip_by_value(operation(v), 0, 1)
        stages.append(v.numpy())
    out[f"{i}/image"], out[f"{i}/uniform"] = image, np.array([u], np.float32)
    out[f"{i}/result"] = tf.cast(v * 255, tf.uint8).numpy()
    if i == 0:
        for name, stage in zip(("crop", "brightness", "contrast", "saturation", "hue"), stages):
            out[f"{i}/{name}"] = stage
save_file(out, "augment.safetensors")
