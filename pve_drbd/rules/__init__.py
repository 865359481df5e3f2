"""Pure judgement: a survey and a question in, findings out."""
