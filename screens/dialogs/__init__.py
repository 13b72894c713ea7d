"""Dialogs: a question, a name to type, a number, a problem with its detail."""
