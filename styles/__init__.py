"""The look: theme variables only; one stylesheet a screen."""
