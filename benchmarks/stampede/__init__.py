"""A black-box test: many customers, several servers, injected faults, and a checker.

The director (`make stampede`) starts the servers and injects the faults. The
crowd, a separate process, sends requests over HTTP only. Both write one journal,
which is all that the checker reads, so it can be checked again anywhere.
"""
