"""The options of junyanz/pytorch-CycleGAN-and-pix2pix that have other names here."""

from __future__ import annotations

from collections.abc import Sequence

NAMES = {
    "--dataroot": "--dataset",
    "--name": "--out runs/NAME",
    "--checkpoints_dir": "--out",
    "--model": "the first word: train.py cyclegan, pix2pix or gan",
    "--gpu_ids": "--device, or torchrun for several GPUs",
    "--max_dataset_size": "--max-images",
    "--serial_batches": "--serial",
    "--no_flip": "--no-flip",
    "--netG": "--generator.architecture",
    "--ngf": "--generator.width",
    "--no_dropout": "--generator.no-dropout",
    "--input_nc": "--generator.in-channels",
    "--output_nc": "--generator.out-channels",
    "--netD": "--discriminator.architecture",
    "--ndf": "--discriminator.width",
    "--n_layers_D": "--discriminator.layers",
    "--norm": "--generator.norm and --discriminator.norm",
    "--init_type": "--init",
    "--n_epochs": "--epochs",
    "--n_epochs_decay": "--decay-epochs",
    "--lr": "--learning-rate",
    "--beta1": "--betas, both of them",
    "--lr_decay_iters": "--lr-step-epochs, in epochs",
    "--lambda_A": "--lambda-cycle, for both directions",
    "--lambda_B": "--lambda-cycle, for both directions",
    "--lambda_L1": "--lambda-l1",
    "--save_epoch_freq": "--snapshot-epochs, which lists them",
    "--save_latest_freq": "--checkpoint-steps, in steps",
    "--continue_train": "--resume RUN, or --init-from RUN with optimisers that begin anew",
    "--epoch_count": "--resume RUN, which knows its epoch",
    "--phase": "nothing: training takes train",
}


def renamed(arguments: Sequence[str]) -> str:
    """What the reference's options among the arguments are called here; nothing where there are none."""
    words = [argument.partition("=")[0] for argument in arguments]
    said = [f"{word} is {NAMES[word]} here" for word in words if word in NAMES]
    return "; ".join(said)
