"""Optimizes a two-step program with DSPy 3.3.1 and saves it: `pip install dspy==3.3.1 && python optimize.py`.

The Rust program `load_python_program` loads the file. So that everybody gets the same file, the teacher is scripted; a real
one would be `dspy.LM("openai/gpt-4o-mini")`.
"""

import sys

# In the syntax of every Python, so that an old one can say what it lacks.
if sys.version_info < (3, 10):
    sys.exit("optimize.py: needs Python 3.10 or later, this is %d.%d: run it with a newer python3" % sys.version_info[:2])

from pathlib import Path

import dspy
from dspy.utils import DummyLM

PASSAGES = ["Marie Curie discovered the elements polonium and radium in 1898.", "An octopus has three hearts."]
TRAIN = [
    dspy.Example(question="Who discovered polonium?", answer="Marie Curie").with_inputs("question"),
    dspy.Example(question="How many hearts has an octopus?", answer="three").with_inputs("question"),
]
TEACHER = [
    {"query": "discovered polonium"},
    {"reasoning": "The passage says that Marie Curie discovered polonium.", "answer": "Marie Curie"},
    {"query": "octopus hearts"},
    {"reasoning": "The passage says that an octopus has three hearts.", "answer": "three"},
]


class Rag(dspy.Module):
    def __init__(self):
        self.query = dspy.Predict(dspy.Signature("question -> query", "Write two or three key words."))
        self.answer = dspy.ChainOfThought(dspy.Signature("passage, question -> answer", "Answer from the passage."))

    def forward(self, question):
        words = self.query(question=question).query.split()
        passage = max(PASSAGES, key=lambda passage: sum(word in passage for word in words))
        return self.answer(passage=passage, question=question)


dspy.configure(lm=DummyLM(TEACHER))
optimizer = dspy.BootstrapFewShot(metric=lambda example, prediction, _: example.answer == prediction.answer)
optimizer.compile(Rag(), trainset=TRAIN).save(Path(__file__).with_name("program.json"))
