"""Plausible misreadings of spec/, each as a change of `sealmq_spec`, which reads it right.

`python3 test-vectors/misreadings` applies one after the other and checks the vectors: they have to disagree with every one
that anybody could observe. Each entry names the rule, how it is misread, and the statement that says it, which has to occur
exactly once: whoever changes the verifier changes the entries with it.
"""
