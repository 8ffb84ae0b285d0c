"""KDE's reader of passes, KPkPass, as Debian has it: a program that nobody here wrote shows one of ours."""
