module errors_tree

go 1.26
