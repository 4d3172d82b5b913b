"""Everything that runs on one machine: a home, its services, and their processes.

``home`` says what lies where, ``lock`` lets one process run a home's services at a time,
``processes`` starts, watches and ends servers, ``launch`` starts those of a home, and ``services``
finds them running or has them started for as long as they are needed.
"""
