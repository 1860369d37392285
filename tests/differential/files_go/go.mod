module files_tree

go 1.26
