"""Everything that runs on one machine: a home, its services, and their processes.

``home`` says what lies where, ``lock`` lets one process at a time run a home's services,
``processes`` starts, watches and stops servers, ``launch`` starts those of a home, and ``services``
finds them running or starts them for as long as they are needed.
"""
