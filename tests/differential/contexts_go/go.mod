module contexts_tree

go 1.26
