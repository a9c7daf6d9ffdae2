"""The rollout of a challenger that passed its gates: watched, widened, made champion or taken back."""
