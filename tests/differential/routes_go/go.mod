module routes_tree

go 1.26
