"""Executors take packs from the agenda and train them: Ray Tune, or this very process."""
