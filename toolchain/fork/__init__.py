"""What makes a clone somebody's own: its name, in the few places that a fork is meant to edit."""
