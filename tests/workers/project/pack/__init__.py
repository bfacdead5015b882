from pack.twin import Twin as twin
