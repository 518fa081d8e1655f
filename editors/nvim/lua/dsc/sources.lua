--- What the server cannot see by itself: what is copied, and what other tools say of a buffer.
--- Each is told only where the user's settings want it.
local M = {}

--- @param client vim.lsp.Client
local function notify(client, method, params)
  if vim.fn.has('nvim-0.11') == 1 then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

--- @param setting string
local function clients_that_want(setting, buffer)
  return vim.tbl_filter(function(client)
    return vim.tbl_get(client.settings, 'dsc', setting) == true
  end, vim.lsp.get_clients({ name = 'dsc', bufnr = buffer }))
end

--- A diagnostic as the protocol has it, of whole lines: in them the server looks for names.
local function of_lines(diagnostic)
  return {
    range = {
      start = { line = diagnostic.lnum, character = 0 },
      ['end'] = { line = (diagnostic.end_lnum or diagnostic.lnum) + 1, character = 0 },
    },
    severity = diagnostic.severity,
    source = diagnostic.source,
    message = diagnostic.message,
  }
end

local function tell_diagnostics(client, buffer)
  notify(client, 'dsc/diagnostics', {
    uri = vim.uri_from_bufnr(buffer),
    diagnostics = vim.tbl_map(of_lines, vim.diagnostic.get(buffer)),
  })
end

--- Tells what is copied or cut in whole lines, in buffers that the server has: a password that is
--- yanked elsewhere is not told. What `c` and `x` take is mostly rubbish.
local function tell_copied(event)
  local yanked = vim.v.event
  local is_lines = yanked.regtype == 'V'
  if yanked.operator == 'y' or (yanked.operator == 'd' and is_lines) then
    local text = table.concat(yanked.regcontents, '\n') .. (is_lines and '\n' or '')
    for _, client in ipairs(clients_that_want('clipboardContext', event.buf)) do
      notify(client, 'dsc/copied', { text = text })
    end
  end
end

function M.setup()
  local group = vim.api.nvim_create_augroup('dsc.sources', {})
  vim.api.nvim_create_autocmd('TextYankPost', { group = group, callback = tell_copied })
  vim.api.nvim_create_autocmd({ 'DiagnosticChanged', 'LspAttach' }, {
    group = group,
    callback = function(event)
      local attached = event.data and event.data.client_id
      for _, client in ipairs(clients_that_want('diagnosticsContext', event.buf)) do
        if not attached or attached == client.id then
          tell_diagnostics(client, event.buf)
        end
      end
    end,
  })
end

return M
