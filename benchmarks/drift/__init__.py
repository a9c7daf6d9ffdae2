"""How long drift takes and what it holds, beside the same NannyML calls on data frames in memory."""
