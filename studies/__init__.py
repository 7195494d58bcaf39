"""What is said of label smoothing, measured on handwritten digits: one file for each page.

``python -m studies`` trains, writes what it measured to ``docs/_generated/studies/*.csv``, and
makes tables, pictures and verdicts of those files; the pages in ``docs/studies/`` include them.
Networks and their training are those of ``softtargets.demo``, and every formula is the library's.

``study`` says what a study is, ``results`` and ``findings`` keep and judge numbers, ``training``
and ``measures`` make them, ``running`` spreads seeds over processes, ``report`` writes the pages.
"""
