module urls_tree

go 1.26
