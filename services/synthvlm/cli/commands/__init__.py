"""The commands. Their modules import nothing heavy before they run, so that ``--help`` is quick."""
