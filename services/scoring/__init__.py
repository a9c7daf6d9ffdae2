"""The scoring service: answers rows of features with the champion's predictions, over HTTP."""
