"""The black-box proof: many customers, several servers, faults, and a judge.

The director (`make stampede`) starts servers and breaks things; the crowd,
a process of its own, knows nothing but HTTP; both write one journal. The
checker reads nothing else, so a journal can be judged again anywhere.
"""
