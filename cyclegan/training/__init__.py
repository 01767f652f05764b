"""Training: objectives, losses, schedules, the trainer."""
