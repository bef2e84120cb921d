"""`tollgate init` and `tollgate schema`: projects that use Tollgate as a library."""
