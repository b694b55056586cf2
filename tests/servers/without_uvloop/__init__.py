"""A directory that is put first on the path of processes which are to find no uvloop."""
