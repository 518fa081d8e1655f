--- |:checkhealth| dsc
local M = {}

function M.check()
  local health = vim.health
  health.start('dsc')
  if vim.fn.has('nvim-0.10') == 0 then
    return health.error('Neovim 0.10 or newer is needed')
  end
  health.ok(
    vim.lsp.inline_completion and "Ghost text by Neovim's own inline completion"
      or 'Ghost text by the module itself; Neovim has its own from 0.12'
  )
  local server = require('dsc.server')
  local cmd = server.resolved().cmd
  local version, problem
  server.probe(cmd, function(...)
    version, problem = ...
  end)
  vim.wait(25000, function()
    return version or problem
  end)
  if problem then
    return health.error(problem, { 'Try the command in a shell.', 'Run `dsc-lsp doctor`.' })
  end
  health.ok(type(cmd) == 'table' and ('%s: `%s`'):format(version, vim.fn.exepath(cmd[1])) or version)
  local clients = vim.lsp.get_clients({ name = 'dsc' })
  if #clients == 0 then
    return health.info('No server runs: open a file of a filetype that it serves')
  end
  for _, client in ipairs(clients) do
    local count = vim.tbl_count(client.attached_buffers)
    health.ok(('The server runs with %d buffer%s'):format(count, count == 1 and '' or 's'))
  end
  health.info('Which model fits this machine: `dsc-lsp doctor`')
end

return M
