"""Other tools' objects and files, from cells and networks; each tool is imported when used."""
