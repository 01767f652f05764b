"""The options of junyanz/pytorch-CycleGAN-and-pix2pix that have other names here, or are not needed."""

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
    "--norm": "--generator.norm and --discriminator.norm; batch is syncbatch, for several processes",
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
    "--save_by_iter": "--snapshot-epochs for generators, by epoch, and --checkpoint-steps for the checkpoint, by step",
    "--load_iter": "--resume RUN, from the newest checkpoint",
    "--save_latest_freq": "--checkpoint-steps, in steps",
    "--continue_train": "--resume RUN, or --init-from RUN with optimisers that begin anew",
    "--epoch_count": "--resume RUN, which knows its epoch",
}
NOT_NEEDED = {
    "--phase": "training takes the images of train",
    "--num_threads": "reading images needs no setting (--threads counts those of the computation)",
    "--print_freq": "the progress bar shows the losses of every step, and history.jsonl keeps those of every epoch",
    "--display_id": "python app.py --run RUN shows samples and curves while the run is trained",
    "--use_wandb": "history.jsonl in the run's folder keeps the losses, and python app.py --run RUN plots them",
}


def explain(arguments: Sequence[str]) -> str:
    """Return what to use for the reference's options among the arguments; nothing if there are none."""
    words = [argument.partition("=")[0] for argument in arguments]
    said = [f"{word} is {NAMES[word]} here" for word in words if word in NAMES]
    said += [f"{word} is not needed: {NOT_NEEDED[word]}" for word in words if word in NOT_NEEDED]
    return "; ".join(said)
